// Why a batch is where it is: its counts, what keeps its pending deliveries waiting by name, its failures in groups,
// and what was replayed of it.

import { FluxMailError } from '../errors.js'
import type { ReopenStore } from '../store/reopen.js'
import type { BatchStatus } from './batch-status.js'
import { type ExplainContext, laneRate, nobodyWorks, readBatch, surroundingsOf } from './explain.js'
import type { FailureGroup } from './failures.js'
import { isBeyondDay, limitWaits } from './limit-waits.js'
import type { Wait } from './waits.js'
import * as waits from './waits.js'

export interface BatchExplanation {
  readonly kind: 'batch'
  readonly status: BatchStatus
  readonly state: 'enqueueing' | 'scheduled' | 'paused' | 'cancelled' | 'sending' | 'finished'
  readonly since: Date
  /** What its pending deliveries wait for; empty only when none is pending. */
  readonly waits: readonly Wait[]
  /** Its failures by what the relays said, the largest groups first. */
  readonly groups: readonly FailureGroup[]
  /** When it may be done, at the speed of the last minute; missing where the limits of a day forbid that. */
  readonly eta?: Date
  readonly replays: readonly BatchReplay[]
}

/** One replay that made deliveries of a batch pending again. */
export interface BatchReplay {
  readonly id: string
  readonly at: Date
  readonly why?: string
  /** What was asked for. */
  readonly what: string
  readonly count: number
}

export interface ExplainBatchContext extends ExplainContext {
  readonly reopen: Pick<ReopenStore, 'replays'>
  statusOf(id: string): Promise<BatchStatus>
  groupsOf(id: string): Promise<FailureGroup[]>
}

const GROUPS_SHOWN = 10

/** @throws FluxMailError `batch_not_found` */
export async function explainBatch(context: ExplainBatchContext, id: string): Promise<BatchExplanation> {
  const [status, batch, surroundings, replays] = await Promise.all([
    context.statusOf(id),
    readBatch(context, id),
    surroundingsOf(context),
    context.reopen.replays(id),
  ])
  const groups = status.failed + status.unknown > 0 ? await context.groupsOf(id) : []
  const known = stopsOf(status, batch, surroundings)
  const isDone = status.pending === 0 && (status.sealed || !status.importing)
  const rate = laneRate(status.lane, surroundings)
  // What is put off comes at its time, whatever the speed.
  const flows = known.length === 0 && status.pending > status.deferred && rate > 0
  const isBeyond = (perSecond: number) =>
    isBeyondDay(surroundings, batch.route, { count: status.pending, perSecond })
  return {
    kind: 'batch',
    status: isBeyond(status.rate) ? withoutEta(status) : status,
    state: stateOf(status, batch, known),
    since: new Date(replays.at(-1)?.at ?? status.createdAt.getTime()),
    waits: isDone
      ? known.filter(({ kind }) => kind === 'importer')
      : [...known, ...(await lined(context, status, batch, surroundings))],
    groups: groups.slice(0, GROUPS_SHOWN),
    ...(flows && !isBeyond(rate) ? { eta: new Date(surroundings.now + (status.pending / rate) * 1000) } : {}),
    replays: replays.map(({ at, ...replay }) => ({ ...replay, at: new Date(at) })),
  }
}

function withoutEta({ etaSeconds: _, ...status }: BatchStatus): BatchStatus {
  return status
}

type Batch = Awaited<ReturnType<typeof readBatch>>
type Around = Awaited<ReturnType<typeof surroundingsOf>>

function stopsOf(status: BatchStatus, batch: Batch, { now }: Around): Wait[] {
  const window = batch.sendWindow ? waits.outsideWindow(batch.sendWindow, now) : undefined
  const isLater = batch.sendAt !== undefined && batch.sendAt > now
  return [
    ...(batch.cancelled
      ? [{ kind: 'cancelled', text: 'it was cancelled, and what is pending will be skipped' } as const]
      : []),
    ...(batch.paused && !batch.cancelled ? [waits.paused(batch.paused)] : []),
    ...(isLater && batch.sendAt !== undefined ? [waits.scheduled(batch.sendAt)] : []),
    ...(window ? [window] : []),
    ...(status.sealed ? [] : [rowsMissing(status)]),
  ]
}

function rowsMissing({ importing, total }: BatchStatus): Wait {
  const text = importing
    ? `its rows are still being enqueued; ${waits.countText(total)} are there`
    : `nobody enqueues its rows any more, and the last of them was not acknowledged (${waits.countText(total)} are): enqueue it again`
  return { kind: 'importer', text }
}

async function lined(
  { redis, keys }: ExplainContext,
  status: BatchStatus,
  batch: Batch,
  around: Around,
): Promise<Wait[]> {
  const { lane, pending } = status
  if (pending === 0) return []
  const others = (await redis.zrange(keys.turns(lane), 0, '-1')).filter((other) => other !== status.id).length
  const shared =
    others > 0 ? `; ${others} other ${others === 1 ? 'batch shares' : 'batches share'} the lane ${lane}` : ''
  // Of such a batch a worker has nothing to take, and is not idle.
  const isPutOff = pending === status.deferred
  const rate = laneRate(lane, around)
  const speed = rate >= 0.05 ? `; the lane settles ${rate.toFixed(rate < 10 ? 1 : 0)} a second` : ''
  return [
    ...(isPutOff ? [waits.noWorker(around, lane) ?? []].flat() : nobodyWorks(lane, around)),
    ...waits.shutRelays(around, batch.route),
    ...limitWaits(around, { route: batch.route, ahead: pending, comes: 'it is done' }),
    {
      kind: isPutOff ? 'retry' : 'turn',
      text: `${whereTheyAre(status, batch.packed ?? 0)}${shared}${speed}`,
    },
  ]
}

function whereTheyAre({ pending, waiting, active, deferred }: BatchStatus, packed: number): string {
  const places: readonly (readonly [number, string])[] = [
    [packed, 'in chunks for their turn'],
    [Math.max(0, waiting - packed), 'for their turn in the lane'],
    [active, 'for what a worker does with them'],
    [deferred, 'for a time of their own, deferred or held'],
  ]
  const [first, ...others] = places.filter(([count]) => count > 0)
  const [count, what] = first ?? [pending, 'for their turn']
  const rest = others.map(([many, where]) => `, ${waits.countText(many)} ${where}`).join('')
  const of = `${waits.countText(count)} of its ${waits.countText(pending)} pending deliveries`
  return `${of} wait ${what}${rest}`
}

function stateOf(
  status: BatchStatus,
  { cancelled, paused }: Batch,
  known: readonly Wait[],
): BatchExplanation['state'] {
  if (cancelled) return 'cancelled'
  if (paused) return 'paused'
  if (!status.sealed) return 'enqueueing'
  if (status.pending === 0) return 'finished'
  return known.some(({ kind }) => kind === 'scheduled') ? 'scheduled' : 'sending'
}

/** @throws FluxMailError `invalid_params` */
export function checkExplained(id: unknown): string {
  if (typeof id === 'string' && id !== '') return id
  throw new FluxMailError('invalid_params', 'explain: it takes the id of a delivery or of a batch')
}
