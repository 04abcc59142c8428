// Clears a lane of what is over: one worker at a time, under a lease, a little at a time.
// What it removes is looked at again by the scripts that remove it, so that two sweepers do no harm.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { RetentionConfig } from '../config.js'
import type { Keys, Redis } from '../redis.js'
import { createRetentionStore, type Deleted, type RetentionStore } from '../store/retention.js'
import { within } from '../within.js'
import { createFinishedJobs, type FinishedJobs } from './finished-jobs.js'

export interface SweeperOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly lane: string
  readonly retention: RetentionConfig
  readonly clock: Clock
  carry?: (() => Promise<void>) | undefined
  onError(error: unknown): void
}

const MOST_EVERY_MS = 60_000
const LEAST_EVERY_MS = 1_000
/** Somebody waits for Redis meanwhile. */
const MORE_AFTER_MS = 50
const LEASE_MS = 30_000
/** Of the list of batches, so many are looked at in one sweep. */
const BATCHES_AT_ONCE = 200
/** A command that Redis does not answer holds nobody up. */
const STOP_MS = 1_000

export class Sweeper {
  readonly #options: SweeperOptions
  readonly #store: RetentionStore
  readonly #jobs: FinishedJobs
  readonly #token = randomUUID()
  readonly #stopping = new AbortController()
  readonly #finishedMs: number
  readonly #failedMs: number
  readonly #batchMs: number
  #holdingFrom = '0'
  #batchesFrom = 0
  #running: Promise<void> | undefined

  constructor(options: SweeperOptions) {
    const { redis, keys, retention } = options
    this.#options = options
    this.#store = createRetentionStore(redis, keys)
    this.#jobs = createFinishedJobs(redis, keys, this.#store)
    this.#finishedMs = retention.finishedSeconds * 1000
    this.#failedMs = retention.failedSeconds * 1000
    this.#batchMs = retention.batchSeconds * 1000
  }

  /** Sweeps from time to time until it is stopped. */
  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#running) await within(this.#running, STOP_MS, this.#options.clock)
  }

  /** Does a part of what there is to do; resolves to whether there is more. */
  async sweep(): Promise<boolean> {
    const { lane, clock, carry } = this.#options
    if (!(await this.#store.lease(lane, this.#token, LEASE_MS))) return false
    const now = clock.now()
    // In this order: what is gone lets the next one go. The id of a batch that has jobs may not be given anew.
    const jobs = [
      await this.#jobs.dropBefore(lane, 'completed', now - this.#finishedMs),
      await this.#jobs.dropBefore(lane, 'failed', now - this.#failedMs),
    ].includes(true)
    const found = [jobs, await this.#letContentsGo(now), !jobs && (await this.#deleteBatches(now))]
    await this.#store.trimOutcomes(now)
    await carry?.()
    return found.includes(true)
  }

  async #letContentsGo(now: number): Promise<boolean> {
    const { ids, cursor } = await this.#store.holding(this.#holdingFrom)
    this.#holdingFrom = cursor
    const answers = await Promise.all(ids.map((id) => this.#store.letGo(id, now, this.#finishedMs)))
    return cursor !== '0' || answers.includes('more')
  }

  async #deleteBatches(now: number): Promise<boolean> {
    const { redis, keys, lane } = this.#options
    const last = `${this.#batchesFrom + BATCHES_AT_ONCE - 1}`
    const ids = await redis.zrange(keys.batches, this.#batchesFrom, last)
    const afterMs = Math.max(this.#batchMs, this.#finishedMs)
    const terms = {
      afterMs,
      withFailuresMs: Math.max(afterMs, this.#failedMs),
      abandoned: true,
    }
    const answers: Deleted[] = []
    for (const id of ids) {
      const own = await redis.hget(keys.batch(id), 'lane')
      if (own === null || own === lane) answers.push(await this.#store.deleteBatch(id, lane, now, terms))
    }
    const deleted = answers.filter((answer) => answer === 'deleted' || answer === 'missing').length
    const isEnd = ids.length < BATCHES_AT_ONCE
    this.#batchesFrom = isEnd ? 0 : this.#batchesFrom + ids.length - deleted
    return !isEnd || answers.includes('more')
  }

  async #run(): Promise<void> {
    const { lane, clock, onError } = this.#options
    const { signal } = this.#stopping
    const leastMs = Math.min(this.#finishedMs, this.#failedMs, this.#batchMs)
    const everyMs = Math.max(LEAST_EVERY_MS, Math.min(MOST_EVERY_MS, leastMs / 2))
    while (!signal.aborted) {
      const more = await this.sweep().catch((error: unknown) => {
        if (!signal.aborted) onError(error)
        return false
      })
      await clock.sleep(more ? MORE_AFTER_MS : everyMs, signal)
    }
    await this.#store.giveBack(lane, this.#token).catch(() => undefined)
  }
}
