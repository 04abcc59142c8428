// Whether the queue reaches its Redis, looked at now and then, and told when it changes: an ingress whose Redis is not
// there answers, and looks as healthy as any other.

import type { Clock } from '../clock.js'
import type { MailQueue } from '../mail-queue.js'
import { errorFields, type Logger } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import { measureRedisReach } from '../telemetry/redis-report.js'

export interface RedisWatchParts {
  readonly queue: Pick<MailQueue, 'status'>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics | undefined
}

interface Look {
  readonly isUp: boolean
  readonly tookMs?: number
  readonly error?: unknown
}

const LOOK_EVERY_MS = 5_000

export class RedisWatch {
  readonly #parts: RedisWatchParts
  readonly #stop: () => void
  #isUp: boolean | undefined
  #looking: Promise<void> | undefined
  #stopped = false

  constructor(parts: RedisWatchParts) {
    this.#parts = parts
    this.#stop = parts.clock.every(LOOK_EVERY_MS, () => void this.look())
    void this.look()
  }

  /** Looks now, unless that is under way. It never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  stop(): void {
    this.#stopped = true
    this.#stop()
  }

  async #look(): Promise<void> {
    const { queue, clock } = this.#parts
    const askedAt = clock.monotonicMs()
    try {
      await queue.status()
      this.#tell({ isUp: true, tookMs: clock.monotonicMs() - askedAt })
    } catch (error) {
      this.#tell({ isUp: false, error })
    }
  }

  #tell({ isUp, tookMs, error }: Look): void {
    // What a queue says that is being closed is no news.
    if (this.#stopped) return
    const before = this.#isUp
    this.#isUp = isUp
    const { logger, metrics } = this.#parts
    metrics?.set('fluxmail_ingress_redis_up', {}, isUp ? 1 : 0)
    if (metrics) measureRedisReach(isUp, tookMs, metrics)
    if (before === isUp) return
    if (!isUp) logger.error(errorFields(error), 'redis cannot be reached; clients are told to try again')
    else if (before === false) logger.info({}, 'redis is back')
  }
}
