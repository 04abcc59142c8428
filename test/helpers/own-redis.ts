// A Redis of one test's own, to be killed, stopped and filled. Its AOF stays for the next start.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { openPrivateRedis, type PrivateRedis } from '../../src/cli/private-redis.js'
import { eventually } from './eventually.js'

export interface OwnRedis extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** kill -9; what it had written to its AOF stays. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>
  /** SIGSTOP, and SIGCONT. */
  freeze(): void
  thaw(): void
  /** Runs `work` with a connection of its own. */
  ask<T>(work: (redis: Redis) => Promise<T>): Promise<T>
}

export async function openOwnRedis(): Promise<OwnRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-own-redis-'))
  let redis: PrivateRedis = await openPrivateRedis({ folder })
  const { url, port } = redis
  const ask = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
    const client = new Redis(url)
    try {
      return await work(client)
    } finally {
      client.disconnect()
    }
  }
  const readPid = () =>
    ask(async (client) => Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]))
  let pid = await readPid()
  return {
    url,
    port,
    ask,
    async kill() {
      process.kill(pid, 'SIGKILL')
      // Its shell sees that it ended, and ends as well.
      await redis.close()
    },
    async start() {
      redis = await eventually('Redis is back', () => openPrivateRedis({ folder, port }))
      pid = await readPid()
    },
    freeze: () => process.kill(pid, 'SIGSTOP'),
    thaw: () => process.kill(pid, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      try {
        process.kill(pid, 'SIGCONT')
      } catch {
        // It was killed.
      }
      await redis.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
