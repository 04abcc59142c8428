// Work that is not waited for longer than it is worth.

import type { Clock } from './clock.js'

/** Resolves with undefined when it takes longer; what becomes of the work then is the caller's to hear. */
export async function within<T>(
  work: Promise<T>,
  ms: number,
  clock: Clock,
): Promise<{ value: T } | undefined> {
  let stop: () => void = () => undefined
  const late = new Promise<undefined>((resolve) => {
    stop = clock.after(ms, () => resolve(undefined))
  })
  try {
    return await Promise.race([work.then((value) => ({ value })), late])
  } finally {
    stop()
  }
}
