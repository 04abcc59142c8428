// Postfix's smtp-sink as the clock of the benchmark: a process of its own that counts final dots and keeps nothing.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../../src/cli/free-port.js'
import { packageRoot } from '../../../src/cli/package-root.js'

export interface CountingSink extends AsyncDisposable {
  readonly port: number
  readonly count: number
  /** Aborted when it ended by itself. */
  readonly lost: AbortSignal
  /** Resolves at the final dot of message number `count`, to the time of it. */
  reached(count: number, signal?: AbortSignal): Promise<number>
}

const BACKLOG = '1000'
const GREETING_MS = 5_000

/** As fetched by `npm run setup`, or where systems keep it. */
export function programPath(name: string): string | undefined {
  const folders = [
    join(packageRoot(), '.fluxmail', 'bin'),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/libexec/postfix',
  ]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

export function requireProgram(name: string): string {
  const path = programPath(name)
  if (path !== undefined) return path
  throw new Error(`there is no ${name} of Postfix: npm run setup fetches it where there is apt-get`)
}

const open = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of open) child.kill('SIGKILL')
})

export async function openCountingSink(): Promise<CountingSink> {
  const port = await freePort()
  // As root it insists on becoming somebody else.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const args = [...user, '-c', `127.0.0.1:${port}`, BACKLOG]
  const child = spawn(requireProgram('smtp-sink'), args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  open.add(child)
  const lost = new AbortController()
  const ended = once(child, 'exit').then(([code, signal]) => {
    open.delete(child)
    lost.abort(new Error(`smtp-sink ended (${signal ?? code})`))
  })
  const counter = new Counter()
  child.stdout.on('data', (chunk: Buffer) => counter.read(chunk.toString('latin1')))
  const close = async () => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    await greets(port)
  } catch (error) {
    await close()
    throw error
  }
  return {
    port,
    lost: lost.signal,
    get count() {
      return counter.count
    },
    reached: (count, signal) => counter.reached(count, signal),
    [Symbol.asyncDispose]: close,
  }
}

/** What smtp-sink says with -c: `sess=1 quit=0 mesg=17`, each ended by a carriage return. */
export class Counter {
  count = 0
  #rest = ''
  readonly #waiting = new Set<{ count: number; settle: (at: number) => void }>()

  read(text: string): void {
    const said = this.#rest + text
    const end = said.lastIndexOf('\r')
    this.#rest = said.slice(end + 1)
    const last = [...said.slice(0, end + 1).matchAll(/mesg=(\d+)/g)].at(-1)
    if (!last) return
    this.count = Number(last[1])
    for (const waiting of this.#waiting) if (this.count >= waiting.count) waiting.settle(performance.now())
  }

  reached(count: number, signal?: AbortSignal): Promise<number> {
    if (this.count >= count) return Promise.resolve(performance.now())
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting.delete(waiting)
        reject(signal?.reason)
      }
      const settle = (at: number) => {
        this.#waiting.delete(waiting)
        signal?.removeEventListener('abort', stop)
        resolve(at)
      }
      const waiting = { count, settle }
      this.#waiting.add(waiting)
      if (signal?.aborted) stop()
      else signal?.addEventListener('abort', stop, { once: true })
    })
  }
}

async function greets(port: number): Promise<void> {
  const deadline = performance.now() + GREETING_MS
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'data')
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(20)
    } finally {
      socket.destroy()
    }
  }
}
