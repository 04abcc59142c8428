// Why one delivery is where it is: its state and since when, what it waits for by name, its attempts, its place and
// when it may be sent. It reads what the queue, the ledger, the relays and the workers say, and changes nothing.

import type { Job } from 'bullmq'
import { type SendWindow, windowOf } from '../delivery/send-window.js'
import type { Keys, Redis } from '../redis.js'
import type { Entry, Ledger } from '../store/ledger.js'
import { readRelayStatus } from '../store/relay-status.js'
import { readWorkers } from '../store/workers.js'
import { type AttemptNote, attemptsIn } from './attempt-notes.js'
import type { DeliveryRecord } from './delivery-record.js'
import type { RelayLimitStatus } from './limit-status.js'
import { isBeyondDay, limitBehind, limitWaits } from './limit-waits.js'
import { type Payload, parsePayload, splitId } from './payload.js'
import type { QueueConnection } from './queue-connection.js'
import type { Stop, Surroundings, Wait } from './waits.js'
import * as waits from './waits.js'

export interface DeliveryExplanation extends DeliveryRecord {
  readonly kind: 'delivery'
  /** Since when it is in this state. */
  readonly since: Date
  /** What it waits for, what matters most first; empty only when it has ended. */
  readonly waits: readonly Wait[]
  /** The first attempt and the last twelve. */
  readonly history: readonly AttemptNote[]
  /** How many deliveries have their turn before it, where that is known. */
  readonly ahead?: number
  /** When it may have its turn, at the speed of the last minute; missing where the limits of a day forbid that. */
  readonly eta?: Date
  /** The last time that it was replayed. */
  readonly replay?: { readonly n: number; readonly at: Date; readonly why?: string }
}

export interface ExplainContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly ledger: Pick<Ledger, 'claim'>
  /** Where the workers and relays of all shards are. */
  readonly fleet: Pick<QueueConnection, 'redis' | 'keys' | 'run'>
  now(): number
  /** Of all relays. */
  limits(): Promise<readonly RelayLimitStatus[]>
  /** As far as it is known without asking. */
  providerOf(address: string): string
  describe(id: string): Promise<DeliveryRecord>
  findJob(
    id: string,
  ): Promise<{ readonly lane: string; readonly job: Job; readonly entry: Entry } | undefined>
}

export async function explainDelivery(context: ExplainContext, id: string): Promise<DeliveryExplanation> {
  const found = await explainNow(context, id)
  // Read in the middle of its move, it has its state and not yet its words or its time.
  const isTorn = ['held', 'deferred'].includes(found.state) && found.nextAttemptAt === undefined
  return isTorn ? explainNow(context, id) : found
}

async function explainNow(context: ExplainContext, id: string): Promise<DeliveryExplanation> {
  const [found, surroundings] = await Promise.all([context.findJob(id), surroundingsOf(context)])
  const record = await context.describe(id)
  const batch = record.batchId === undefined ? {} : await readBatch(context, record.batchId)
  if (found === undefined) return explainRow(context, record, batch, surroundings)
  const payload = parsePayload(found.job.data)
  const place = record.state === 'waiting' ? await placeInLane(context, found.lane, id) : undefined
  const facts: Facts = { ...found, context, record, payload, batch, surroundings, place }
  return {
    ...record,
    kind: 'delivery',
    since: sinceOf(facts),
    waits: isPending(record) ? await waitsOf(facts) : [],
    history: attemptsIn(payload),
    ...aheadOf(place, record.lane, payload.r, surroundings),
    ...(payload.g ? { replay: replayOf(payload.g) } : {}),
  }
}

interface Facts {
  readonly context: ExplainContext
  readonly record: DeliveryRecord
  readonly job: Job
  readonly entry: Entry
  readonly payload: Payload
  readonly batch: BatchFacts
  readonly surroundings: Surroundings
  readonly place: number | undefined
}

/** What of a batch bears on its deliveries. */
export interface BatchFacts {
  readonly paused?: Stop
  readonly cancelled?: Stop
  readonly sendAt?: number
  readonly route?: string
  readonly packed?: number
  readonly sendWindow?: SendWindow
}

const isPending = ({ state }: DeliveryRecord) =>
  !['sent', 'failed', 'skipped', 'unknown', 'settled'].includes(state)

export async function surroundingsOf(context: Pick<ExplainContext, 'fleet' | 'now' | 'limits'>) {
  const { redis, keys, run } = context.fleet
  const at = context.now()
  const [relays, workers, limits] = await Promise.all([
    run(() => readRelayStatus(redis, keys)),
    run(() => readWorkers(redis, keys)),
    context.limits(),
  ])
  return { now: at, relays, workers, limits } satisfies Surroundings
}

export async function readBatch(
  { redis, keys }: Pick<ExplainContext, 'redis' | 'keys'>,
  id: string,
): Promise<BatchFacts> {
  const fields = await redis.hgetall(keys.batch(id))
  const { paused, cancelled, sendAt, route, packed, sendWindow } = fields
  return {
    ...(paused ? { paused: JSON.parse(paused) as Stop } : {}),
    ...(cancelled ? { cancelled: JSON.parse(cancelled) as Stop } : {}),
    ...(sendAt ? { sendAt: Number(sendAt) } : {}),
    ...(route ? { route } : {}),
    ...(packed ? { packed: Number(packed) } : {}),
    ...(sendWindow ? { sendWindow: JSON.parse(sendWindow) as SendWindow } : {}),
  }
}

async function waitsOf(facts: Facts): Promise<Wait[]> {
  const { record, payload, surroundings, entry, context } = facts
  const until = record.nextAttemptAt?.getTime()
  const { lane } = record
  const behind = (words: string) => limitBehind(words, surroundings.limits)
  switch (record.state) {
    case 'active': {
      const { kind } = await context.ledger.claim(entry)
      // Before the wire it may be kept in hand while no relay may be used.
      const shut = kind === 'marked' ? [] : waits.shutRelays(surroundings, payload.r)
      if (shut.length > 0) return shut
      const limits = kind === 'marked' ? [] : limitsOf(facts, 0)
      return [...limits, waits.inHand(kind === 'marked', lane, surroundings)]
    }
    case 'scheduled':
      return [...batchWaits(facts), waits.scheduled(until ?? surroundings.now)]
    case 'deferred':
      return [...batchWaits(facts), waits.retry(record.attempts + 1, until, record.lastReason ?? 'no reply')]
    case 'held': {
      const known = batchWaits(facts)
      return known.length > 0
        ? known
        : heldWaits(waits.held(payload.w ?? record.lastReason ?? '', until, surroundings, behind), facts)
    }
    default:
      return [...batchWaits(facts), ...laneWaits(facts)]
  }
}

/** The circuit may have opened after this delivery was put back, and is then what it waits for. */
function heldWaits(held: Wait, { payload, surroundings }: Facts): Wait[] {
  const shut = held.kind === 'held' ? waits.shutRelays(surroundings, payload.r) : []
  return [...shut, held]
}

function batchWaits({
  batch,
  payload,
  surroundings,
}: Pick<Facts, 'batch' | 'payload' | 'surroundings'>): Wait[] {
  return stopsOf(batch, payload.o === undefined ? undefined : windowOf(payload.o), surroundings)
}

/** What stops a delivery whatever its own state. */
function stopsOf(batch: BatchFacts, window: SendWindow | undefined, { now }: Surroundings): Wait[] {
  const outside = window && waits.outsideWindow(window, now)
  return [
    ...(batch.cancelled ? [cancelled] : []),
    ...(batch.paused && !batch.cancelled ? [waits.paused(batch.paused)] : []),
    ...(outside ? [outside] : []),
  ]
}

const cancelled: Wait = { kind: 'cancelled', text: 'its batch was cancelled, and a worker will skip it' }

/** The limits that hold it back, behind so many others. */
function limitsOf({ context, record, payload, surroundings }: Facts, ahead: number): Wait[] {
  const provider = context.providerOf(record.recipient)
  return limitWaits(surroundings, { route: payload.r, provider, ahead, comes: 'its turn comes' })
}

function laneWaits(facts: Facts): Wait[] {
  const { record, payload, surroundings, place = 0 } = facts
  const { lane } = record
  return [
    ...nobodyWorks(lane, surroundings),
    ...waits.shutRelays(surroundings, payload.r),
    ...limitsOf(facts, place + 1),
    waits.turn(place, `in the lane ${lane}`),
  ]
}

export function nobodyWorks(lane: string, surroundings: Surroundings): Wait[] {
  const nobody = waits.noWorker(surroundings, lane) ?? waits.idleWorkers(surroundings, lane)
  return nobody ? [nobody] : []
}

/** A row in its chunk: all jobs of the lane, and all rows of its batch before it, have their turn first. */
async function explainRow(
  context: ExplainContext,
  record: DeliveryRecord,
  batch: BatchFacts,
  surroundings: Surroundings,
): Promise<DeliveryExplanation> {
  const { redis, keys } = context
  const { id, lane, state } = record
  const [jobs, rows] = await Promise.all([
    redis.llen(`${keys.bullPrefix}:${lane}:wait`),
    rowsOf(context, splitId(id).id),
  ])
  const { ordinal } = splitId(id)
  // How many others were left where it was, nobody knows.
  const ahead = ordinal < rows.lookedAt ? undefined : jobs + Math.max(0, ordinal - rows.lowest)
  const known = [
    ...stopsOf(batch, batch.sendWindow, surroundings),
    ...(state === 'scheduled' && batch.sendAt ? [waits.scheduled(batch.sendAt)] : []),
  ]
  const lined = [
    ...nobodyWorks(lane, surroundings),
    ...waits.shutRelays(surroundings, batch.route),
    ...limitWaits(surroundings, {
      route: batch.route,
      provider: context.providerOf(record.recipient),
      ahead: ahead === undefined ? undefined : ahead + 1,
      comes: 'its turn comes',
    }),
    ahead === undefined
      ? waits.left(lane)
      : waits.turn(ahead, `in the lane ${lane}, those of its batch among them; its row is not unpacked yet`),
  ]
  return {
    ...record,
    kind: 'delivery',
    since: record.enqueuedAt,
    waits: isPending(record) ? [...known, ...(state === 'scheduled' ? [] : lined)] : [],
    history: [],
    ...(state === 'waiting' && known.length === 0 ? aheadOf(ahead, lane, batch.route, surroundings) : {}),
  }
}

/** Rows in a chunk. */
const CHUNK_ROWS = 256

/** From which row on some of a batch wait in their chunks, and from which on nobody has looked at them yet. */
async function rowsOf({ redis, keys }: ExplainContext, batchId: string) {
  const [next, fresh] = await redis.hmget(keys.batch(batchId), 'next', 'fresh')
  return { lowest: Number(next ?? 0) * CHUNK_ROWS, lookedAt: Number(fresh ?? 0) * CHUNK_ROWS }
}

/** How many jobs are taken before this one; undefined while it is on its way from one list to another. */
async function placeInLane(
  { redis, keys }: ExplainContext,
  lane: string,
  id: string,
): Promise<number | undefined> {
  const key = `${keys.bullPrefix}:${lane}:wait`
  // Jobs are taken from the end.
  const [place, length] = await Promise.all([redis.lpos(key, id), redis.llen(key)])
  return place === null ? undefined : Math.max(0, length - 1 - Number(place))
}

/** Deliveries settled in a second, by all workers of a lane, in the last minute. */
export function laneRate(lane: string, { workers, now }: Surroundings): number {
  return workers.reduce((sum, { settled, startedAt }) => {
    const seconds = Math.min(60, Math.max(5, (now - startedAt) / 1000))
    return sum + (settled[lane] ?? 0) / seconds
  }, 0)
}

function aheadOf(
  ahead: number | undefined,
  lane: string,
  route: string | undefined,
  surroundings: Surroundings,
) {
  const rate = laneRate(lane, surroundings)
  if (ahead === undefined) return {}
  const isBeyond = isBeyondDay(surroundings, route, { count: ahead + 1, perSecond: rate })
  return rate > 0 && !isBeyond
    ? { ahead, eta: new Date(surroundings.now + (ahead / rate) * 1000) }
    : { ahead }
}

function sinceOf({ record, job, payload }: Facts): Date {
  const last = payload.l?.at(-1)
  const attemptEnded = last && last[0] + last[1]
  switch (record.state) {
    case 'held':
      return new Date(payload.s ?? job.processedOn ?? job.timestamp)
    case 'deferred':
      return new Date(attemptEnded ?? job.processedOn ?? job.timestamp)
    case 'active':
      return new Date(job.processedOn ?? job.timestamp)
    case 'waiting':
    case 'scheduled':
      return new Date(payload.g?.at ?? job.timestamp)
    default:
      return new Date(job.finishedOn ?? job.processedOn ?? job.timestamp)
  }
}

function replayOf({ n, at, why }: NonNullable<Payload['g']>) {
  return { n, at: new Date(at), ...(why ? { why } : {}) }
}
