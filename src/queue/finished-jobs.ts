// Jobs that are finished and past their time, removed a page at a time with all that they hold in Redis.

import type { Keys, Redis } from '../redis.js'
import type { FinishedJob, RetentionStore } from '../store/retention.js'
import { entryOf, filesOf, parsePayload, splitId } from './payload.js'

type FinishedSet = FinishedJob['set']

const PAGE = 200

export interface FinishedJobs {
  /** Removes those that finished at `latest` or before, a page at the most. Resolves to whether there may be more. */
  dropBefore(lane: string, set: FinishedSet, latest: number): Promise<boolean>
  /** Removes those of the ids that are finished. Resolves to how many there were. */
  drop(lane: string, set: FinishedSet, ids: readonly string[], latest?: number): Promise<number>
  /** Removes all that are finished of one batch. */
  dropOfBatch(lane: string, batchId: string): Promise<void>
}

export function createFinishedJobs(redis: Redis, keys: Keys, store: RetentionStore): FinishedJobs {
  const keyOf = (lane: string, part: string) => `${keys.bullPrefix}:${lane}:${part}`

  async function drop(lane: string, set: FinishedSet, ids: readonly string[], latest = Number.MAX_VALUE) {
    const data = await Promise.all(ids.map((id) => redis.hget(keyOf(lane, id), 'data')))
    const dropped = await Promise.all(
      ids.map((id, index) => store.dropJob(finishedJobOf(lane, set, id, data[index] ?? ''), latest)),
    )
    return dropped.filter((isDropped) => isDropped).length
  }

  async function dropFailedOf(lane: string, batchId: string): Promise<void> {
    for (;;) {
      const ordinals = await redis.zrange(keys.batchFailed(batchId), 0, String(PAGE - 1))
      if (ordinals.length === 0) return
      const ids = ordinals.map((ordinal) => `${batchId}.${ordinal}`)
      await drop(lane, 'failed', ids)
      // Those whose jobs are gone.
      await redis.zrem(keys.batchFailed(batchId), ...ordinals)
    }
  }

  return {
    drop,
    async dropBefore(lane, set, latest) {
      const ids = await redis.zrangebyscore(keyOf(lane, set), 0, latest, 'LIMIT', 0, PAGE)
      return (await drop(lane, set, ids, latest)) === PAGE
    },
    async dropOfBatch(lane, batchId) {
      await dropFailedOf(lane, batchId)
      const finished = await redis.zrange(keyOf(lane, 'completed'), 0, '-1')
      const own = finished.filter((id) => id.startsWith(`${batchId}.`))
      for (let first = 0; first < own.length; first += PAGE)
        await drop(lane, 'completed', own.slice(first, first + PAGE))
    },
  }
}

/** One that cannot be read holds no content that anybody knows of. */
function finishedJobOf(lane: string, set: FinishedSet, id: string, data: string): FinishedJob {
  try {
    const payload = parsePayload(JSON.parse(data))
    const files = filesOf(payload).map(({ hash }) => hash)
    return { entry: entryOf({ id, lane }, payload), set, isOpen: payload.k === 1, files }
  } catch {
    const batch = splitId(id)
    const isRow = Number.isInteger(batch.ordinal) && batch.id !== ''
    return {
      entry: { id, lane, contentHash: '', ...(isRow ? { batch } : {}) },
      set,
      isOpen: false,
      files: [],
    }
  }
}
