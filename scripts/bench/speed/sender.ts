// A sending process: forked with a probe that tells its CPU time and memory, and gone with us at the latest.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Running } from './row.js'

export interface Usage {
  readonly cpuMs: number
  /** Of its main thread alone, where the system tells it. */
  readonly mainMs?: number
  readonly rssBytes: number
}

export interface Sender extends Running {
  usage(): Promise<Usage>
}

export interface SenderOptions {
  readonly entry: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Flags of Node, such as --cpu-prof. */
  readonly node?: readonly string[]
}

const probe = new URL('./peers/probe.mjs', import.meta.url).href
const STOP_MS = 15_000

export const peerEntry = (name: string) => fileURLToPath(new URL(`./peers/${name}.mjs`, import.meta.url))

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when it says that it is ready. */
export async function startSender({ entry, args = [], env = {}, node = [] }: SenderOptions): Promise<Sender> {
  // In a session of its own: Ctrl-C reaches it through us. Without the flags that make us read TypeScript.
  const child = fork(entry, [...args], {
    env,
    execArgv: ['--import', probe, ...node],
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  running.add(child)
  const lost = new AbortController()
  const ended = once(child, 'exit').then(([code, signal]) => {
    running.delete(child)
    lost.abort(new Error(`${entry} ended (${signal ?? code})`))
  })
  // A message to one that has just ended is lost with it.
  child.on('error', () => undefined)
  await Promise.race([once(child, 'message'), rejected(lost.signal)])
  return {
    lost: lost.signal,
    async usage() {
      const answer = nextUsage(child)
      child.send('usage')
      return await Promise.race([answer, rejected(lost.signal)])
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

function nextUsage(child: ChildProcess): Promise<Usage> {
  return new Promise((resolve) => {
    const hear = (message: { readonly usage?: Usage }) => {
      if (message.usage === undefined) return
      child.off('message', hear)
      resolve(message.usage)
    }
    child.on('message', hear)
  })
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
