// What asks all shards of a MailQueue and makes one answer of theirs. With one shard it passes that one's on.

import { createCarrier } from '../store/carry-bounces.js'
import { createSuppressionStore } from '../store/suppressions.js'
import type { BatchStatus } from './batch-status.js'
import type { BatchesOptions } from './batch-views.js'
import { type FailureFilter, parseFailureFilter } from './failure-filter.js'
import { type Failure, type FailureGroup, Failures } from './failures.js'
import { type ForgetOptions, type Forgotten, forgetAddress } from './forget.js'
import { inOrder, interleave } from './interleave.js'
import { type LaneStatus, readLaneStatus } from './lane-status.js'
import { type DeliveryOutcome, type OutcomesReading, readOutcomes } from './outcomes.js'
import type { QueueParts } from './queue-parts.js'
import { parseReplayOptions, type ReplayOptions, type ReplayResult } from './replay.js'
import type { Shards } from './shards.js'

/** Newest first. */
export async function listBatches({ all, first }: Shards, options: BatchesOptions): Promise<BatchStatus[]> {
  if (all.length === 1) return first.views.list(options)
  const { limit = 50 } = options
  const lists = await Promise.all(all.map(({ views }) => views.list(options)))
  const newest = lists.flat().toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  return newest.slice(0, limit)
}

/** In the order of the lanes. */
export async function laneStatuses({ all, lanes }: Shards): Promise<LaneStatus[]> {
  const read = ({ redis, keys, run, ...parts }: QueueParts) =>
    run(() => readLaneStatus(redis, keys, parts.lanes))
  const statuses = (await Promise.all(all.map(read))).flat()
  return statuses.toSorted((a, b) => lanes.indexOf(a.lane) - lanes.indexOf(b.lane))
}

/** @throws FluxMailError `invalid_params` */
export function failuresOf(shards: Shards, filter: FailureFilter): Failures {
  const { all, first, lanes } = shards
  if (all.length === 1) return first.afterwards.failures(filter)
  parseFailureFilter(filter, lanes, 'failures')
  return new Failures(() => readFailures(shards, filter))
}

async function* readFailures(shards: Shards, filter: FailureFilter): AsyncGenerator<Failure, void, void> {
  const meant = await shardsOf(shards, filter)
  const read = ({ afterwards }: QueueParts) => afterwards.failures(filter)[Symbol.asyncIterator]()
  yield* inOrder(meant.map(read), ({ at }) => at.getTime())
}

/** Those that may have what a filter means. */
async function shardsOf({ all, of, homeOf }: Shards, filter: FailureFilter): Promise<readonly QueueParts[]> {
  const { lane, batch } = filter
  const ofLane = lane === undefined ? all : [of(lane)]
  if (batch === undefined) return ofLane
  const home = await homeOf(batch)
  return ofLane.includes(home) ? [home] : []
}

/** Replays in one shard after the other. */
export async function replayAll(
  shards: Shards,
  filter: FailureFilter,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { all, first, lanes } = shards
  if (all.length === 1) return first.afterwards.replay(filter, options)
  const { dryRun, onProgress } = parseReplayOptions(options)
  parseFailureFilter(filter, lanes, 'replay')
  let sum: ReplayResult = { dryRun, replayed: 0, groups: [], left: {}, stopped: false }
  const parts = await replaysOf(shards, filter)
  for (const { afterwards, own } of parts) {
    const before = sum.replayed
    const progress = onProgress && { onProgress: (replayed: number) => onProgress(before + replayed) }
    const result = await afterwards.replay(own, { ...options, ...progress }, parts.length > 1)
    sum = addReplay(sum, result)
  }
  return sum
}

/** Each delivery that is named is asked for where it is. */
async function replaysOf(shards: Shards, filter: FailureFilter) {
  const { first, of, homeOf } = shards
  const { id } = filter
  const isAll = Object.values(filter).every((value) => value === undefined)
  // It refuses what names nothing.
  if (isAll) return [{ afterwards: first.afterwards, own: filter }]
  if (id === undefined) {
    const meant = await shardsOf(shards, filter)
    return meant.map(({ afterwards }) => ({ afterwards, own: filter }))
  }
  const { lane } = filter
  const homes = new Map<QueueParts, string[]>()
  for (const each of typeof id === 'string' ? [id] : id) {
    const home = lane === undefined ? await homeOf(each) : of(lane)
    homes.set(home, [...(homes.get(home) ?? []), each])
  }
  return [...homes].map(([{ afterwards }, ids]) => ({ afterwards, own: { ...filter, id: ids } }))
}

function addReplay(one: ReplayResult, other: ReplayResult): ReplayResult {
  const groups = new Map<string, FailureGroup>()
  for (const group of [...one.groups, ...other.groups]) {
    const key = `${group.outcome} ${group.id}`
    const standing = groups.get(key)
    groups.set(key, standing ? { ...standing, count: standing.count + group.count } : group)
  }
  return {
    dryRun: one.dryRun,
    replayed: one.replayed + other.replayed,
    groups: [...groups.values()].toSorted((a, b) => b.count - a.count),
    left: addCounts(one.left, other.left),
    stopped: one.stopped || other.stopped,
  }
}

function addCounts<T extends Readonly<Record<string, number>>>(one: T, other: T): T {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)])
  return Object.fromEntries([...keys].map((key) => [key, (one[key] ?? 0) + (other[key] ?? 0)])) as T
}

/** Outcomes of different shards come in no order. */
export async function* readAllOutcomes(
  { all }: Shards,
  reading: OutcomesReading,
  { keptSeconds, closing }: { keptSeconds: number; closing: AbortSignal },
): AsyncGenerator<DeliveryOutcome, void, void> {
  const contextOf = ({ keys, outcomes, clock, connect, run }: QueueParts) => {
    return { keys, stream: outcomes, clock, connect, run, keptSeconds, closing }
  }
  const [first, ...others] = all
  if (first && others.length === 0) return yield* readOutcomes(contextOf(first), reading)
  // One that waits for something new ends only by its signal.
  const ended = new AbortController()
  const signal = reading.signal ? AbortSignal.any([reading.signal, ended.signal]) : ended.signal
  const sources = all.map((parts) => readOutcomes(contextOf(parts), { ...reading, signal }))
  try {
    yield* interleave(sources)
  } finally {
    ended.abort()
    await Promise.allSettled(sources.map((source) => source.return()))
  }
}

/** What bounced and is not known everywhere would be kept in one shard alone. */
export async function forgetEverywhere(
  { all }: Shards,
  address: string,
  options: ForgetOptions,
): Promise<Forgotten> {
  if (all.length > 1) await carryBounces(all)
  const forgotten = await Promise.all(
    all.map(({ enqueueing, redis, keys, ledger, store }) => {
      const context = { ...enqueueing, redis, keys, ledger }
      return store(() => forgetAddress(context, address, options))
    }),
  )
  return forgotten.reduce(addForgotten)
}

async function carryBounces(all: readonly QueueParts[]): Promise<void> {
  const stores = all.map(({ redis, keys }) => createSuppressionStore(redis, keys))
  const inAll = all.reduceRight(
    (work: () => Promise<unknown>, { run }) =>
      () =>
        run(work),
    () => Promise.all(stores.map((own, index) => carrierOf(own, index)())),
  )
  const carrierOf = (own: (typeof stores)[number], index: number) =>
    createCarrier(own, stores.toSpliced(index, 1), { now: () => all[0]?.clock.now() ?? 0 })
  await inAll()
}

function addForgotten(one: Forgotten, other: Forgotten): Forgotten {
  const { suppressed, ...counts } = one
  const { suppressed: isToo, ...others } = other
  return { ...addCounts(counts, others), suppressed: suppressed || isToo }
}
