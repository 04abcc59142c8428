// The Redis of a run: a private one that can be killed, frozen and filled, or a given one that is left alone.
// It must never send a signal to a Redis that it did not start.

import { Redis } from 'ioredis'
import { openPrivateRedis, type PrivateRedis } from '../../src/cli/private-redis.js'

export interface ChaosRedis extends AsyncDisposable {
  readonly url: string
  /** Whether it is ours to kill. */
  readonly isPrivate: boolean
  /** kill -9, and a start on the same port and data after `downMs`. */
  killFor(downMs: number): Promise<void>
  /** SIGSTOP, and SIGCONT after `ms`. */
  freezeFor(ms: number): Promise<void>
  /** Leaves `freeBytes` below its maxmemory for `ms`; below zero it is beyond it. */
  fillFor(ms: number, freeBytes: number): Promise<void>
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export async function openChaosRedis(given: string | undefined, folder: string): Promise<ChaosRedis> {
  return given === undefined ? openOwn(folder) : new GivenRedis(given)
}

async function openOwn(folder: string): Promise<ChaosRedis> {
  const redis = await openPrivateRedis({ folder })
  return new OwnRedis(redis, folder)
}

/** One question over a connection of its own. */
export async function ask<T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined)
  try {
    return await question(redis)
  } finally {
    redis.disconnect()
  }
}

async function infoOf(url: string, field: string): Promise<number> {
  const info = await ask(url, (redis) => redis.info())
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1])
}

class GivenRedis implements ChaosRedis {
  readonly isPrivate: boolean = false
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  async killFor(_downMs: number): Promise<void> {}
  async freezeFor(_ms: number): Promise<void> {}
  async fillFor(_ms: number, _freeBytes: number): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

class OwnRedis implements ChaosRedis {
  readonly isPrivate = true
  readonly #folder: string
  #redis: PrivateRedis
  #frozen: number | undefined
  #isClosed = false

  constructor(redis: PrivateRedis, folder: string) {
    this.#redis = redis
    this.#folder = folder
  }

  get url(): string {
    return this.#redis.url
  }

  async killFor(downMs: number): Promise<void> {
    const { port } = this.#redis
    process.kill(await infoOf(this.url, 'process_id'), 'SIGKILL')
    await this.#redis.close()
    await pause(downMs)
    if (this.#isClosed) return
    this.#redis = await openPrivateRedis({ folder: this.#folder, port })
  }

  async freezeFor(ms: number): Promise<void> {
    const pid = await infoOf(this.url, 'process_id')
    this.#frozen = pid
    process.kill(pid, 'SIGSTOP')
    await pause(ms)
    this.#thaw()
  }

  async fillFor(ms: number, freeBytes: number): Promise<void> {
    const used = await infoOf(this.url, 'used_memory')
    await ask(this.url, (redis) => redis.config('SET', 'maxmemory', used + freeBytes))
    await pause(ms)
    await ask(this.url, (redis) => redis.config('SET', 'maxmemory', 0))
  }

  #thaw(): void {
    const pid = this.#frozen
    this.#frozen = undefined
    if (pid !== undefined) process.kill(pid, 'SIGCONT')
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#thaw()
    return this.#redis.close()
  }
}
