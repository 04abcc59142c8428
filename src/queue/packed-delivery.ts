// A delivery whose row still waits in its chunk: there is no job to ask, and there may be one at the next look.

import type { BatchRecord, BatchStore } from '../store/batches.js'
import type { ChunkStore } from '../store/chunks.js'
import type { Entry, Ledger, Standing, Verdict } from '../store/ledger.js'
import type { PackedRow } from '../store/packed-rows.js'
import type { DeliveryRecord } from './delivery-record.js'
import { isDeliveryId, splitId } from './payload.js'

export interface PackedDelivery {
  readonly entry: Entry
  readonly batch: BatchRecord
  readonly row: PackedRow
}

export interface PackedStores {
  readonly batches: Pick<BatchStore, 'read'>
  readonly chunks: Pick<ChunkStore, 'row'>
  readonly ledger: Pick<Ledger, 'claim' | 'record' | 'forget'>
}

/** While its row may be on its way to a job. */
const VERDICT_SECONDS = 3600

/** The delivery of that id while its row waits in a chunk. */
export async function findPacked(
  { batches, chunks }: PackedStores,
  id: string,
): Promise<PackedDelivery | undefined> {
  if (!isDeliveryId(id)) return undefined
  const { id: batchId, ordinal } = splitId(id)
  const row = await chunks.row(batchId, ordinal)
  const batch = row && (await batches.read(batchId))
  if (row === undefined || batch === undefined) return undefined
  const { lane, contentHash } = batch
  return { entry: { id, lane, contentHash, batch: { id: batchId, ordinal } }, batch, row }
}

export async function describePacked(
  { ledger }: PackedStores,
  { entry, batch, row }: PackedDelivery,
  now: number,
): Promise<DeliveryRecord> {
  const { id, lane } = entry
  const standing = await ledger.claim(entry)
  const common = {
    id,
    lane,
    recipient: row[0],
    ...(entry.batch ? { batchId: entry.batch.id } : {}),
    attempts: 0,
    enqueuedAt: new Date(batch.createdAt),
  }
  if (standing.kind === 'settled') return { ...common, ...settledFacts(standing) }
  const isLater = batch.sendAt !== undefined && batch.sendAt > now
  if (!isLater || batch.sendAt === undefined) return { ...common, state: 'waiting' }
  return { ...common, state: 'scheduled', nextAttemptAt: new Date(batch.sendAt) }
}

/** Resolves to whether it was cancelled; whoever unpacks its row leaves it out. */
export async function cancelPacked(
  { ledger }: PackedStores,
  { entry, batch, row }: PackedDelivery,
): Promise<boolean> {
  const reason = { code: 'cancelled', message: 'it was cancelled' }
  const verdict: Verdict = {
    outcome: 'skipped',
    ...reason,
    recipient: row[0],
    enqueuedAt: batch.createdAt,
  }
  const recorded = await ledger.record(entry, verdict, { spareMarked: true })
  if (recorded.kind !== 'counted') return false
  // Its bit says it for good; there may never be a job whose end lets the verdict go.
  if (recorded.outcome === 'skipped') await ledger.forget([entry.id], VERDICT_SECONDS).catch(() => undefined)
  return true
}

/** Only a person who took it back can have settled it here. */
function settledFacts({
  verdict,
}: Standing & { kind: 'settled' }): Pick<DeliveryRecord, 'state' | 'lastReason'> {
  const [outcome, code = 'cancelled'] = verdict.split(' ')
  if (outcome !== 'skipped' && outcome !== 'settled') return { state: 'settled' }
  return { state: 'skipped', lastReason: code }
}
