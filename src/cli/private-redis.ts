// A Redis of our own for the demo, `fluxmail dev` and the tests: AOF on, noeviction, a port on loopback.
// It exists so that none of them needs a running Redis, or touches one.

import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../clock.js'
import { FluxMailError, messageOf } from '../errors.js'
import { freePort } from './free-port.js'
import { type RedisProcess, type StartProblem, startRedisProcess } from './redis-process.js'

export interface PrivateRedisOptions {
  /** Where its data stays. Default: a temporary folder, removed when Redis ends. */
  folder?: string
  /** Default: a free one. */
  port?: number
}

export interface PrivateRedis {
  /** Such as `redis://127.0.0.1:40123`. */
  readonly url: string
  readonly port: number
  /** Resolves once Redis has written its data and ended. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const startDeadlineMs = 20_000
const releaseDeadlineMs = 3_000
const portTries = 5
const portFile = 'redis.port'

/** Whether the Redis on this port keeps its data in `folder`. */
function servesFolder(port: number, folder: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('CONFIG GET dir\r\nQUIT\r\n'))
    let reply = ''
    socket.setTimeout(1_000, () => socket.destroy())
    socket.on('data', (chunk) => {
      reply += chunk.toString()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => settle(reply.split('\r\n').includes(folder)))
  })
}

/** Two servers on one append-only file would ruin it. One that is about to end is waited for. */
async function requireUnused(folder: string): Promise<void> {
  const port = Number(await readFile(join(folder, portFile), 'utf8').catch(() => ''))
  const deadline = systemClock.monotonicMs() + releaseDeadlineMs
  while (port > 0 && (await servesFolder(port, folder))) {
    if (systemClock.monotonicMs() > deadline) {
      throw new FluxMailError(
        'setup_failed',
        `a Redis on port ${port} already keeps its data in ${folder}: stop what started it, or use another folder`,
      )
    }
    await systemClock.sleep(50)
  }
}

async function openFolder(given: string): Promise<string> {
  try {
    await mkdir(given, { recursive: true })
    return await realpath(given)
  } catch (cause) {
    throw new FluxMailError('setup_failed', `no folder for the data of Redis: ${messageOf(cause)}`, { cause })
  }
}

function startError(problem: StartProblem, port: number): FluxMailError {
  const messages = {
    missing:
      'neither redis-server nor valkey-server is on the PATH: install one ' +
      '(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), or set FLUXMAIL_REDIS_URL',
    port: `port ${port} on 127.0.0.1 is taken: leave the port out to have a free one`,
    other: `Redis did not start; the end of its log is:\n${problem.log}`,
  }
  return new FluxMailError('setup_failed', messages[problem.reason])
}

function isProblem(started: RedisProcess | StartProblem): started is StartProblem {
  return 'reason' in started
}

async function startOnPort(folder?: string, given?: number): Promise<[number, RedisProcess]> {
  for (let tries = 1; ; tries += 1) {
    const port = given ?? (await freePort())
    const started = await startRedisProcess({ folder, port, deadlineMs: startDeadlineMs })
    if (!isProblem(started)) return [port, started]
    // Somebody else may have taken the free port in the meantime.
    const again = started.reason === 'port' && given === undefined && tries < portTries
    if (!again) throw startError(started, port)
  }
}

/**
 * Starts a private Redis: `redis-server` or `valkey-server`, from the PATH or fetched by `scripts/setup.mjs`.
 * It ends with this process, however this process ends, and does not keep it alive.
 * Throws `setup_failed`, saying what to install, where it cannot.
 */
export async function openPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const folder = options.folder === undefined ? undefined : await openFolder(options.folder)
  if (folder !== undefined) await requireUnused(folder)
  const [port, redis] = await startOnPort(folder, options.port)
  if (folder !== undefined) await writeFile(join(folder, portFile), String(port))
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= redis.end()
    return closed
  }
  return { url: `redis://127.0.0.1:${port}`, port, close, [Symbol.asyncDispose]: close }
}
