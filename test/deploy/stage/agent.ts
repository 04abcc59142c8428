// The way into the stage: starts the agent as process 1 of namespaces of its own, and asks it over IPC.
// What it starts is in there and nowhere else: nothing outlives the agent, and the agent does not outlive this process.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { systemEnv, unshare } from './root.js'

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Started {
  readonly pid: number
  /** All that it printed so far. */
  output(): string
  readonly exited: Promise<Exit>
}

export interface Agent extends AsyncDisposable {
  run(words: readonly string[], timeoutMs?: number): Promise<Finished>
  /** As `run`, but rejects unless it exits with 0. */
  must(words: readonly string[], timeoutMs?: number): Promise<string>
  spawn(words: readonly string[]): Promise<Started>
  fetch(url: string, body?: string): Promise<{ status: number; body: string }>
  /** Answers DNS at this address from now on. */
  dns(address: string): Promise<void>
  /** The names that DNS knows from now on. */
  names(table: Readonly<Record<string, readonly string[]>>): Promise<void>
  /** Whether something takes connections there. */
  listens(host: string, port: number): Promise<boolean>
  /** Leads a port of the stage to a container; a second time it leads there instead. */
  publish(published: { host: string; port: number; to: { host: string; port: number } }): Promise<void>
}

interface Report {
  readonly id: number
  readonly event?: 'output' | 'exit'
  readonly text?: string
  readonly code?: number | null
  readonly signal?: NodeJS.Signals | null
  readonly result?: unknown
  readonly error?: string
}

const entry = join(import.meta.dirname, 'fixtures', 'agent.mjs')
const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc']

/** @throws Error when this machine lets nobody make namespaces */
export async function openAgent(): Promise<Agent> {
  const child = spawn(unshare, [...namespaces, process.execPath, entry], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: systemEnv,
  })
  const ended = once(child, 'exit')
  const waiting = new Map<number, (report: Report) => void>()
  const listening = new Map<number, (report: Report) => void>()
  child.on('message', (message) => {
    const report = message as Report
    if (report.event !== undefined) return listening.get(report.id)?.(report)
    waiting.get(report.id)?.(report)
    waiting.delete(report.id)
  })
  ended.then(
    () => {
      for (const [id, settle] of waiting) settle({ id, error: 'the agent has ended' })
    },
    () => undefined,
  )
  let last = 0
  const ask = <T>(call: string, argument: object): Promise<T> =>
    new Promise((settle, reject) => {
      last += 1
      waiting.set(last, ({ error, result }) =>
        error === undefined ? settle(result as T) : reject(new Error(`${call}: ${error}`)),
      )
      child.send({ id: last, call, argument }, (error) => error && reject(error))
    })
  const run = (words: readonly string[], timeoutMs = 30_000) => ask<Finished>('run', { words, timeoutMs })
  let spawned = 0
  return {
    run,
    async must(words, timeoutMs) {
      const { code, stdout, stderr } = await run(words, timeoutMs)
      if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
      return stdout
    },
    async spawn(words) {
      spawned += 1
      const id = spawned
      let output = ''
      const exited = new Promise<Exit>((settle) => {
        listening.set(id, ({ event, text = '', code = null, signal = null }) => {
          if (event === 'output') output += text
          else settle({ code, signal })
        })
      })
      const pid = await ask<number>('spawn', { id, words })
      return { pid, exited, output: () => output }
    },
    fetch: (url, body) => ask('fetch', { url, body }),
    dns: (address) => ask('dns', { address }),
    names: (table) => ask('names', { table }),
    listens: (host, port) => ask('listens', { host, port }),
    publish: (published) => ask('publish', published),
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
