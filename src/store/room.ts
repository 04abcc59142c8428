// Whether Redis has room for more: what is enqueued stops before memory is full, so that workers can drain it.
// Looked at some times a second however many ask; a Redis that does not say counts as one with room.

import type { Clock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import { isRefusal, type Redis } from '../redis.js'

export interface Room {
  /** @throws FluxMailError `queue_full` */
  check(): Promise<void>
}

/** Of `maxmemory`; the rest is what workers need for marks, verdicts and moving jobs. */
const FULL_AT = 0.9
/** In so short a time one producer stores some 5 MB. */
const LOOK_EVERY_MS = 250

interface Usage {
  readonly used: number
  readonly max: number
}

export function createRoom(redis: Redis, clock: Pick<Clock, 'monotonicMs'>): Room {
  let looked: Promise<Usage | undefined> | undefined
  let lookedAt = 0

  async function look(): Promise<Usage | undefined> {
    try {
      return parseUsage(await redis.info('memory'))
    } catch (error) {
      if (isRefusal(error)) return undefined
      looked = undefined
      throw error
    }
  }

  return {
    async check() {
      const now = clock.monotonicMs()
      if (looked === undefined || now - lookedAt >= LOOK_EVERY_MS) {
        lookedAt = now
        looked = look()
      }
      const usage = await looked
      if (usage === undefined || usage.used < usage.max * FULL_AT) return
      throw new FluxMailError('queue_full', `Redis is nearly full: ${shown(usage)}`, {
        details: { usedBytes: usage.used, maxBytes: usage.max },
      })
    },
  }
}

/** What `INFO memory` says of the limit; undefined where there is none. */
function parseUsage(info: string): Usage | undefined {
  const number = (field: string) => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
  const max = number('maxmemory')
  if (max === 0) return undefined
  // Buffers of replicas and of the AOF do not count against the limit.
  return { used: number('used_memory') - number('mem_not_counted_for_evict'), max }
}

function shown({ used, max }: Usage): string {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  return `it uses ${megabytes(used)} of ${megabytes(max)}; start more workers, raise maxmemory, or try again later`
}
