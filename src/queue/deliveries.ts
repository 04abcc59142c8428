// One delivery by its id, wherever it is: a job in one of the lanes, or a row that waits in its chunk.

import type { Job } from 'bullmq'
import type { Clock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import { quoted } from '../message/field-error.js'
import type { Entry, Ledger } from '../store/ledger.js'
import { cancellationOf, type DeliveryRecord, describeJob, isFinished } from './delivery-record.js'
import type { LaneQueues } from './lane-queues.js'
import { cancelPacked, describePacked, findPacked, type PackedStores } from './packed-delivery.js'
import { entryOf, isDeliveryId, parsePayload, splitId } from './payload.js'

export interface DeliveriesOptions extends PackedStores {
  readonly lanes: LaneQueues
  readonly ledger: Ledger
  readonly clock: Clock
}

export interface FoundJob {
  readonly job: Job
  readonly lane: string
  readonly entry: Entry
}

export interface Deliveries {
  /** @throws FluxMailError `delivery_not_found` where it has no job, also when its row waits in a chunk */
  find(id: string): Promise<FoundJob>
  /** @throws FluxMailError `delivery_not_found` */
  describe(id: string): Promise<DeliveryRecord>
  /** @throws FluxMailError `delivery_not_found` */
  cancel(id: string): Promise<boolean>
}

export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { lanes, ledger, clock } = options

  async function findJob(id: string): Promise<FoundJob | undefined> {
    const found = isDeliveryId(id) ? await lanes.find(id) : undefined
    return found && { ...found, entry: entryOf({ id, lane: found.lane }, parsePayload(found.job.data)) }
  }

  /** A row that is unpacked between the two looks is a job at the third. */
  async function either<T>(
    id: string,
    ofJob: (found: FoundJob) => Promise<T>,
    ofRow: (found: NonNullable<Awaited<ReturnType<typeof findPacked>>>) => Promise<T>,
  ): Promise<T> {
    const found = await findJob(id)
    if (found) return ofJob(found)
    const packed = await findPacked(options, id)
    return packed ? ofRow(packed) : ofJob(await find(id))
  }

  async function find(id: string): Promise<FoundJob> {
    const found = await findJob(id)
    if (found) return found
    throw new FluxMailError('delivery_not_found', (await endOf(ledger, id)) ?? nothingKept(id))
  }

  async function describe({ job, lane, entry }: FoundJob): Promise<DeliveryRecord> {
    const record = await describeJob(job, lane, await ledger.claim(entry), clock.now())
    if (job.finishedOn !== undefined || !(await isFinished(job))) return record
    // What ended while it was read has its reason now.
    const now = await find(entry.id)
    return describeJob(now.job, now.lane, await ledger.claim(now.entry), clock.now())
  }

  async function cancel({ job, lane, entry }: FoundJob): Promise<boolean> {
    if (await isFinished(job)) return false
    const verdict = cancellationOf(job, lane)
    const { kind } = await ledger.record(entry, verdict, { spareMarked: true })
    // The job stays and will be finished by whoever takes it next; a scheduled one need not wait for its time.
    if (kind === 'counted' && (await job.isDelayed())) await job.promote().catch(() => undefined)
    return kind === 'counted'
  }

  return {
    find,
    describe: (id) => either(id, describe, (row) => describePacked(options, row, clock.now())),
    cancel: (id) => either(id, cancel, (row) => cancelPacked(options, row)),
  }
}

function nothingKept(id: string): string {
  return `there is no delivery ${quoted(id)}, or it was finished and has been removed`
}

/** Of a row whose job is gone, the ledger still knows that it ended, and for a while how. */
async function endOf(ledger: Ledger, id: string): Promise<string | undefined> {
  if (!isDeliveryId(id)) return undefined
  const batch = splitId(id)
  const standing = await ledger.claim({ id, lane: '', contentHash: '', batch })
  if (standing.kind !== 'settled') return undefined
  const [outcome = '', code = '-'] = standing.verdict.split(' ')
  const isKnown = outcome !== '' && outcome !== 'settled'
  const how = isKnown ? `ended as ${outcome}` : 'ended'
  const why = isKnown && code !== '-' ? ` (${code.replaceAll('_', ' ')})` : ''
  return `delivery ${quoted(id)} has ${how}${why}, and no more is kept of it; batch ${batch.id} counts it`
}
