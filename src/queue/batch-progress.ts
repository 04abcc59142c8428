// What is seen of a batch while it runs, beside its counts: what it waits for, the relays that it goes through, and its
// failures in groups. Groups are read from the jobs themselves, which takes a while when many failed.

import type { Clock } from '../clock.js'
import type { RelayStatus } from '../store/relay-status.js'
import { relaysOfRoute, type WorkerStatus } from '../store/workers.js'
import type { BatchStatus } from './batch-status.js'
import { surroundingsOf } from './explain.js'
import { type ExplainBatchContext, explainBatch } from './explain-batch.js'
import type { FailureGroup } from './failures.js'
import type { RelayLimitStatus, TunedStatus } from './limit-status.js'
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
  /** What may go through it in a second, by its own limit and by those of its workers; missing without any. */
  readonly perSecond?: number
  /** What the whole fleet sends through it in a second. */
  readonly sending: number
  /** What it may have within 24 hours now, and what it has had; missing without such a limit. */
  readonly day?: { readonly now: number; readonly used: number }
  /** Since when it is slowed down, and what it said. */
  readonly tuned?: TunedStatus
}

/** What a batch asks of the queue around it. */
export interface BatchSurroundings {
  /** The status comes back without an ETA where limits of a day forbid it. */
  look(status: BatchStatus): Promise<Omit<BatchProgress, 'groups'>>
  /** All of them, the largest first. */
  groups(id: string): Promise<readonly FailureGroup[]>
}

export async function lookAround(
  context: ExplainBatchContext,
  status: BatchStatus,
): Promise<Omit<BatchProgress, 'groups'>> {
  const [{ status: seen, waits }, around] = await Promise.all([
    explainBatch({ ...context, statusOf: async () => status, groupsOf: async () => [] }, status.id),
    surroundingsOf(context),
  ])
  return { ...seen, waits, relays: relaysOf(around, status.route) }
}

function relaysOf({ relays, workers, limits }: Surroundings, route: string | undefined): BatchRelay[] {
  const own = relaysOfRoute(workers, route)
  return relays
    .filter(({ relay }) => own === undefined || own.has(relay))
    .map((status) => ({
      ...status,
      ...limitOf(
        workers.filter(({ relays }) => relays.includes(status.relay)),
        limits.find(({ relay }) => relay === status.relay),
      ),
    }))
}

function limitOf(
  workers: readonly WorkerStatus[],
  status: RelayLimitStatus | undefined,
): Omit<BatchRelay, keyof RelayStatus> {
  const bucket = status?.buckets[0]
  const { now, used = 0 } = status?.day ?? {}
  const limits = workers.flatMap(({ perSecond }) => perSecond ?? [])
  const isLimited = limits.length > 0 && limits.length === workers.length
  const together = limits.reduce((sum, limit) => sum + limit, 0)
  const least = Math.min(
    isLimited ? together : Number.POSITIVE_INFINITY,
    bucket?.ratePerSecond.now ?? Number.POSITIVE_INFINITY,
  )
  return {
    workers: workers.length,
    ...(least < Number.POSITIVE_INFINITY ? { perSecond: least } : {}),
    sending: bucket?.sending ?? 0,
    ...(now === undefined ? {} : { day: { now, used } }),
    ...(bucket?.tuned ? { tuned: bucket.tuned } : {}),
  }
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
