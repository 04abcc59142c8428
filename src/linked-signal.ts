// One signal for several, and a way to let go of them again; and waiting that ends with a signal.
// AbortSignal.any leaves a trace of every call in its sources, which grow for as long as they live.

import { setMaxListeners } from 'node:events'

export interface LinkedSignal extends Disposable {
  /** Aborted with the reason of the first of the sources that is. */
  readonly signal: AbortSignal
}

export function linkSignals(...sources: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController()
  // Every send at the same time listens to the same sources.
  setMaxListeners(0, controller.signal, ...sources)
  const abort = () => controller.abort(sources.find(({ aborted }) => aborted)?.reason)
  const release = () => {
    for (const source of sources) source.removeEventListener('abort', abort)
  }
  for (const source of sources) source.addEventListener('abort', abort, { once: true })
  if (sources.some(({ aborted }) => aborted)) abort()
  return { signal: controller.signal, [Symbol.dispose]: release }
}

/** What `work` comes to; undefined once `signal` is aborted, also where it was before. */
export function unlessAborted<T>(work: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const leave = () => resolve(undefined)
    if (signal?.aborted) leave()
    signal?.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal?.removeEventListener('abort', leave))
  })
}
