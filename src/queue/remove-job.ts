// Takes a job that waits out of its lane for good: its end is counted first, then what it holds is let go.
// A job that a worker has is left to it.

import type { Keys, Redis } from '../redis.js'
import { createContentStore } from '../store/contents.js'
import { repeatableSeconds, unknownSeconds } from '../store/finished-verdicts.js'
import { type Entry, forgottenUnknowns, type Ledger, type Recorded } from '../store/ledger.js'
import type { LaneQueues } from './lane-queues.js'
import { entryOf, filesOf, type Payload, parsePayload } from './payload.js'

export interface RemoveJobContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly lanes: LaneQueues
  readonly ledger: Pick<Ledger, 'record' | 'forget'>
}

/** Resolves to whether it is gone: `settled` where its end had been counted before, `left` where a worker has it. */
export async function removeJob(
  { redis, keys, lanes, ledger }: RemoveJobContext,
  lane: string,
  id: string,
  reason: { readonly code: string; readonly message: string },
): Promise<'removed' | 'settled' | 'left'> {
  const payload = payloadIn(await redis.hget(`${keys.bullPrefix}:${lane}:${id}`, 'data'))
  if (payload === undefined) return 'left'
  const entry: Entry = entryOf({ id, lane }, payload)
  const recorded = await ledger.record(entry, { outcome: 'skipped', ...reason }, { spareMarked: true })
  if (recorded.kind === 'marked') return 'left'
  if (!(await lanes.remove(lane, id))) return 'left'
  // Nobody else will say that its verdict need not be remembered.
  const outcome = outcomeOf(recorded)
  await ledger.forget([id], verdictSeconds(outcome, payload))
  if (outcome === 'unknown') await redis.hincrby(keys.laneCounts(lane), forgottenUnknowns, 1)
  if (recorded.kind !== 'counted') return 'settled'
  const files = filesOf(payload).map(({ hash }) => hash)
  if (entry.batch) await createContentStore(redis, keys).releaseRowFiles(entry.batch.id, files)
  return 'removed'
}

function outcomeOf(recorded: Exclude<Recorded, { kind: 'marked' }>): string | undefined {
  return recorded.kind === 'counted' ? recorded.outcome : recorded.verdict.split(' ', 1)[0]
}

function verdictSeconds(outcome: string | undefined, { k }: Payload): number {
  if (outcome === 'unknown') return unknownSeconds
  return k === 1 ? repeatableSeconds : 0
}

function payloadIn(data: string | null): Payload | undefined {
  try {
    return parsePayload(JSON.parse(data ?? ''))
  } catch {
    return undefined
  }
}
