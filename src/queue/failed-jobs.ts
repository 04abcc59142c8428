// The jobs of deliveries that failed or are unknown, as BullMQ keeps them, with what the ledger knows better by now.
// It reads and changes nothing.

import type { Keys, Redis } from '../redis.js'
import { failedKeys } from '../store/reopen.js'
import { type AttemptNote, attemptsIn } from './attempt-notes.js'
import { type Payload, parsePayload, rowId } from './payload.js'

export interface FailedJob {
  readonly id: string
  readonly lane: string
  /** Missing where the data of the job is no delivery of ours. */
  readonly payload?: Payload
  readonly outcome: 'failed' | 'unknown'
  readonly code: string
  /** Why, in the words of the relay or in ours. */
  readonly text: string
  readonly attempts: number
  readonly notes: readonly AttemptNote[]
  readonly enqueuedAt: number
  /** When it ended, in milliseconds. */
  readonly endedAt: number
}

/** Where to look, and between which instants. */
export interface FailedSet {
  readonly lane: string
  /** Of one batch alone; of the whole lane unless given. */
  readonly batch?: string | undefined
  readonly from: number
  readonly to: number
}

const PAGE = 200
const fields = ['data', 'failedReason', 'finishedOn', 'timestamp', 'atm'] as const
const lateText = 'the answer of the relay came after the delivery had been found unknown'

/** Those that ended first come first; what ends while it is read may be among them. */
export async function* failedJobs(redis: Redis, keys: Keys, set: FailedSet): AsyncGenerator<FailedJob> {
  for await (const ids of pagesOf(redis, keys, set)) yield* await readFailedJobs(redis, keys, set.lane, ids)
}

/** Those of the ids that failed or are unknown. */
export async function readFailedJobs(
  redis: Redis,
  keys: Keys,
  lane: string,
  ids: readonly string[],
): Promise<FailedJob[]> {
  const pipeline = redis.pipeline()
  for (const id of ids) pipeline.hmget(`${keys.bullPrefix}:${lane}:${id}`, ...fields).get(keys.mark(id))
  const answers = ids.length === 0 ? [] : ((await pipeline.exec()) ?? [])
  const failed = answers.find(([error]) => error !== null)?.[0]
  if (failed) throw failed
  return ids.flatMap((id, index) => {
    const job = answers[2 * index]?.[1] as (string | null)[]
    return failedJobOf(id, lane, job, answers[2 * index + 1]?.[1] as string | null) ?? []
  })
}

/**
 * What is taken out of the set while it is read must hide nothing: each page begins at the instant where the last one
 * ended, without those of that instant that were on it.
 */
async function* pagesOf(redis: Redis, keys: Keys, { lane, batch, from, to }: FailedSet) {
  const key = batch === undefined ? failedKeys(keys, lane).failed : keys.batchFailed(batch)
  let at: number | string = from
  let seen = new Set<string>()
  for (;;) {
    const flat: string[] = await redis.zrangebyscore(key, at, to, 'WITHSCORES', 'LIMIT', 0, PAGE + seen.size)
    const found = pairs(flat).filter(([member]) => !seen.has(member))
    const last = found.at(-1)?.[1]
    if (last === undefined) return
    if (last !== String(at)) seen = new Set()
    at = last
    for (const [member, score] of found) if (score === last) seen.add(member)
    yield found.map(([member]) => (batch === undefined ? member : rowId(batch, Number(member))))
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [
    flat[2 * index] ?? '',
    flat[2 * index + 1] ?? '',
  ])
}

function failedJobOf(
  id: string,
  lane: string,
  [data, reason, endedAt, enqueuedAt, attempts]: readonly (string | null)[],
  mark: string | null,
): FailedJob | undefined {
  if (!endedAt || !reason) return undefined
  const said = outcomeOf(reason, mark)
  if (said === undefined) return undefined
  const payload = payloadIn(data ?? '')
  return {
    id,
    lane,
    ...said,
    ...(payload ? { payload } : {}),
    attempts: Number(attempts ?? 0),
    notes: payload ? attemptsIn(payload) : [],
    enqueuedAt: Number(enqueuedAt ?? 0),
    endedAt: Number(endedAt),
  }
}

/** A job says how it ended when it did; a verdict, what became of that since. Undefined when it is no failure. */
function outcomeOf(
  reason: string,
  mark: string | null,
): Pick<FailedJob, 'outcome' | 'code' | 'text'> | undefined {
  const parts = /^(\d{3}(?:[ _][245]\.\d{1,3}\.\d{1,3})?|[\w-]+):? ?(.*)$/s.exec(reason)
  const { 1: code = 'failed', 2: text = reason } = parts ?? []
  const [, standing, standingCode = ''] = /^v:(\S+) ?(\S*)/.exec(mark ?? '') ?? []
  if (standing !== undefined && standing !== 'failed' && standing !== 'unknown') return undefined
  if (!reason.startsWith('unknown:')) return { outcome: 'failed', code: spaced(code), text }
  if (standing !== 'failed') return { outcome: 'unknown', code: 'unknown', text }
  return { outcome: 'failed', code: spaced(standingCode), text: lateText }
}

/** The ledger keeps a code as one word. */
function spaced(code: string): string {
  return code.replace(/^(\d{3})_/, '$1 ')
}

function payloadIn(data: string): Payload | undefined {
  try {
    return parsePayload(JSON.parse(data))
  } catch {
    return undefined
  }
}
