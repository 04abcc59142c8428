// One redis-server of a test's own, with whatever options the test needs. It ends with this process.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis, type RedisOptions } from 'ioredis'
import { freePort } from '../../src/cli/free-port.js'
import { eventually } from './eventually.js'

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  /** Where its data is, and what belongs to it. */
  readonly folder: string
  /** kill -9; its data stays. */
  kill(): void
  /** SIGSTOP, and SIGCONT. */
  freeze(): void
  thaw(): void
  /** Runs `work` with a connection of its own. */
  ask<T>(work: (redis: Redis) => Promise<T>): Promise<T>
}

export interface RedisServerOptions {
  readonly port?: number
  /** Beside those that every server here has. */
  readonly args?: readonly string[]
  /** How the test itself connects. */
  readonly connect?: Omit<RedisOptions, 'replyMapping'>
  /** Where it works; default a folder that goes with it. */
  readonly folder?: string
}

// The pipe closes when this process ends, however it ends; then the server is killed.
const script = `
exec 3<&0 </dev/null
"$@" 3<&- >/dev/null 2>&1 &
echo $!
cat <&3 >/dev/null
kill -9 $! 2>/dev/null
`

export async function openRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort())
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'fluxmail-server-')))
  await mkdir(folder, { recursive: true })
  const basic = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const durable = [
    '--appendonly',
    'yes',
    '--maxmemory-policy',
    'noeviction',
    '--repl-diskless-sync-delay',
    '0',
  ]
  return startServer(['redis-server', ...basic, ...durable, ...(options.args ?? [])], port, folder, options)
}

export async function startServer(
  command: readonly string[],
  port: number,
  folder: string,
  { connect = {} }: RedisServerOptions = {},
): Promise<RedisServer> {
  const shell = spawn('sh', ['-c', script, 'sh', ...command], { stdio: ['pipe', 'pipe', 'ignore'] })
  shell.stdin.on('error', () => undefined)
  const [line] = (await once(shell.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  const ask = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
    const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null, ...connect })
    client.on('error', () => undefined)
    try {
      return await work(client)
    } finally {
      client.disconnect()
    }
  }
  const signal = (name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT') => void process.kill(pid, name)
  const server: RedisServer = {
    port,
    folder,
    ask,
    kill: () => signal('SIGKILL'),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async [Symbol.asyncDispose]() {
      const gone = once(shell, 'close')
      shell.stdin.end()
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
  await eventually(`the server on port ${port} answers`, () => ask((client) => client.ping())).catch(
    async (error: unknown) => {
      await server[Symbol.asyncDispose]()
      throw error
    },
  )
  return server
}
