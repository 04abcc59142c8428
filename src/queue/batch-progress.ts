// What is seen of a batch while it runs, beside its counts: what it waits for, the relays that it goes through, and its
// failures in groups. Groups are read from the jobs themselves, which takes a while when many failed.

import type { Clock } from '../clock.js'
import type { RelayStatus } from '../store/relay-status.js'
import { relaysOfRoute, type WorkerStatus } from '../store/workers.js'
import type { BatchStatus } from './batch-status.js'
import { surroundingsOf } from './explain.js'
import { type ExplainBatchContext, explainBatch } from './explain-batch.js'
import type { FailureGroup } from './failures.js'
import type { Surroundings, Wait } from './waits.js'

export interface BatchProgress extends BatchStatus {
  /** What its pending deliveries wait for, by name; empty only when none is pending. */
  readonly waits: readonly Wait[]
  /** Failures by what the relays said, the ten largest groups first; where very many failed, some seconds old. */
  readonly groups: readonly FailureGroup[]
  /** The relays of its route. */
  readonly relays: readonly BatchRelay[]
}

export interface BatchRelay extends RelayStatus {
  /** How many workers that are there may use it. */
  readonly workers: number
  /** What those workers may send in a second, through all their relays; missing where one has no limit. */
  readonly perSecond?: number
}

/** What a batch asks of the queue around it. */
export interface BatchSurroundings {
  look(status: BatchStatus): Promise<Pick<BatchProgress, 'waits' | 'relays'>>
  /** All of them, the largest first. */
  groups(id: string): Promise<readonly FailureGroup[]>
}

export async function lookAround(
  context: ExplainBatchContext,
  status: BatchStatus,
): Promise<Pick<BatchProgress, 'waits' | 'relays'>> {
  const [{ waits }, around] = await Promise.all([
    explainBatch({ ...context, statusOf: async () => status, groupsOf: async () => [] }, status.id),
    surroundingsOf(context),
  ])
  return { waits, relays: relaysOf(around, status.route) }
}

function relaysOf({ relays, workers }: Surroundings, route: string | undefined): BatchRelay[] {
  const own = relaysOfRoute(workers, route)
  return relays
    .filter(({ relay }) => own === undefined || own.has(relay))
    .map((status) => ({
      ...status,
      ...limitOf(workers.filter(({ relays }) => relays.includes(status.relay))),
    }))
}

function limitOf(workers: readonly WorkerStatus[]): Pick<BatchRelay, 'workers' | 'perSecond'> {
  const limits = workers.flatMap(({ perSecond }) => perSecond ?? [])
  const isLimited = limits.length > 0 && limits.length === workers.length
  const perSecond = limits.reduce((sum, limit) => sum + limit, 0)
  return { workers: workers.length, ...(isLimited ? { perSecond } : {}) }
}

export interface FollowedGroups {
  /** The groups as they are known; read again where there are more failures, at a pace that costs Redis little. */
  now(status: BatchStatus): Promise<readonly FailureGroup[]>
  /** The groups of a batch that has just ended. */
  last(status: BatchStatus): Promise<readonly FailureGroup[]>
}

const GROUPS_SHOWN = 10
/** So long a reading is waited for; after that it goes on behind. */
const PATIENCE_MS = 300
/** Between two readings is so much more time than one takes. */
const REST = 5
/** A job joins the failed ones a moment after it was counted. */
const LAST_LOOKS = 3
const LOOK_AGAIN_MS = 100

export function followGroups(
  { groups }: Pick<BatchSurroundings, 'groups'>,
  clock: Pick<Clock, 'monotonicMs' | 'sleep'>,
): FollowedGroups {
  let known: readonly FailureGroup[] = []
  let countedFor = 0
  let dueAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  async function read(status: BatchStatus): Promise<void> {
    const startedAt = clock.monotonicMs()
    known = await groups(status.id)
    countedFor = countOf(known)
    const endedAt = clock.monotonicMs()
    dueAt = endedAt + REST * (endedAt - startedAt)
  }

  function begin(status: BatchStatus): Promise<void> {
    // What Redis refuses here it refuses the next look as well, which says so.
    reading ??= read(status)
      .catch(() => undefined)
      .finally(() => {
        reading = undefined
      })
    return reading
  }

  return {
    async now(status) {
      const isDue = endedBadly(status) !== countedFor && clock.monotonicMs() >= dueAt
      if (isDue) await atMost(PATIENCE_MS, begin(status), clock)
      return known.slice(0, GROUPS_SHOWN)
    },
    async last(status) {
      await reading
      for (let look = 0; look < LAST_LOOKS && endedBadly(status) !== countedFor; look += 1) {
        if (look > 0) await clock.sleep(LOOK_AGAIN_MS)
        await read(status)
      }
      return known.slice(0, GROUPS_SHOWN)
    },
  }
}

function endedBadly({ failed, unknown }: BatchStatus): number {
  return failed + unknown
}

function countOf(groups: readonly FailureGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0)
}

async function atMost(ms: number, work: Promise<void>, clock: Pick<Clock, 'sleep'>): Promise<void> {
  const ended = new AbortController()
  await Promise.race([work.finally(() => ended.abort()), clock.sleep(ms, ended.signal)])
}
