// Deliveries that failed or are unknown, one by one or in groups of those that ended for the same reason.
// Read from their jobs, which are kept for weeks; what they are now is asked of the ledger.

import type { Content } from '../content/content.js'
import { FluxMailError } from '../errors.js'
import type { Keys, Redis } from '../redis.js'
import { deliveryMessageId } from './delivery-message-id.js'
import { type FailedJob, type FailedSet, failedJobs, readFailedJobs } from './failed-jobs.js'
import { isMeant, type ParsedFilter } from './failure-filter.js'
import { entryOf, splitId } from './payload.js'
import { type ReplyGroup, replyGroupOf } from './reply-group.js'

/** One delivery that did not end as sent. */
export interface Failure {
  readonly id: string
  readonly lane: string
  readonly batch?: string
  /** Missing where its job cannot be read. */
  readonly recipient?: string
  readonly outcome: 'failed' | 'unknown'
  /** Such as `550 5.1.1`, `expired` or `template_error`. */
  readonly code: string
  /** The reply of the relay, or the reason in our words. */
  readonly reply: string
  readonly group: ReplyGroup
  /** That of the last attempt, where one was chosen. */
  readonly relay?: string
  readonly attempts: number
  readonly enqueuedAt: Date
  /** When it ended. */
  readonly at: Date
  /** How often it was replayed. */
  readonly replays: number
  /** What it carries in its header, by which the log of the relay knows it; missing where its content is gone. */
  readonly messageId?: string
}

/** Failures that ended for the same reason. */
export interface FailureGroup extends ReplyGroup {
  readonly outcome: 'failed' | 'unknown'
  readonly count: number
  readonly example: Failure
}

export interface FailuresContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly lanes: readonly string[]
  /** What our keys begin with. */
  readonly name: string
  now(): number
  /** Finds the lane of a delivery. */
  laneOf(id: string): Promise<string | undefined>
  /** Runs what talks to Redis. */
  run<T>(command: () => Promise<T>): Promise<T>
}

/** What the clocks of workers may be ahead of ours. */
const AHEAD_MS = 60_000

/** A failure with the job that it was read from. */
export interface Found {
  readonly failure: Failure
  readonly job: FailedJob
}

export class Failures implements AsyncIterable<Failure> {
  readonly #read: () => AsyncGenerator<Failure, void, void>

  /** @internal Comes from `queue.failures(…)`. */
  constructor(read: () => AsyncGenerator<Failure, void, void>) {
    this.#read = read
  }

  /**
   * Those that ended first come first; what ends while it is read may be among them.
   *
   * @throws FluxMailError `batch_not_found`, `queue_unavailable`
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Failure, void, void> {
    yield* this.#read()
  }

  /**
   * Counted by what the relays said, the largest group first.
   *
   * @throws FluxMailError `batch_not_found`, `queue_unavailable`
   */
  async groups(): Promise<FailureGroup[]> {
    const tally = createTally()
    for await (const failure of this) tally.add(failure)
    return tally.groups()
  }
}

/** Those that ended first come first. */
export async function* readFailures(
  context: FailuresContext,
  filter: ParsedFilter,
): AsyncGenerator<Failure, void, void> {
  for await (const { failure } of findFailures(context, filter)) yield failure
}

/** Counts failures by their group. */
export function createTally() {
  const groups = new Map<string, FailureGroup>()
  return {
    add(failure: Failure): void {
      const { group, outcome } = failure
      const key = `${outcome} ${group.id}`
      const standing = groups.get(key) ?? { ...group, outcome, count: 0, example: failure }
      groups.set(key, { ...standing, count: standing.count + 1 })
    },
    groups: (): FailureGroup[] => [...groups.values()].toSorted((a, b) => b.count - a.count),
  }
}

export async function* findFailures(context: FailuresContext, filter: ParsedFilter): AsyncGenerator<Found> {
  const messageIdOf = messageIds(context)
  for await (const job of jobsOf(context, filter)) {
    const failure = failureOf(job)
    if (!isMeant(filter, failure)) continue
    const messageId = await messageIdOf(job)
    yield { job, failure: messageId === undefined ? failure : { ...failure, messageId } }
  }
}

async function* jobsOf(context: FailuresContext, filter: ParsedFilter): AsyncGenerator<FailedJob> {
  if (filter.id !== undefined) return yield* jobsById(context, filter.id, filter)
  const span = { from: filter.since?.getTime() ?? 0, to: filter.until?.getTime() ?? context.now() + AHEAD_MS }
  for (const set of await setsOf(context, filter, span)) {
    const jobs = failedJobs(context.redis, context.keys, set)
    for (;;) {
      const { value, done } = await context.run(() => jobs.next())
      if (done) break
      yield value
    }
  }
}

async function setsOf(
  { redis, keys, lanes, run }: FailuresContext,
  { batch, lane }: ParsedFilter,
  span: Pick<FailedSet, 'from' | 'to'>,
): Promise<FailedSet[]> {
  if (batch === undefined)
    return (lane === undefined ? lanes : [lane]).map((each) => ({ lane: each, ...span }))
  const own = await run(() => redis.hget(keys.batch(batch), 'lane'))
  if (own === null) throw new FluxMailError('batch_not_found', `there is no batch ${batch}`)
  return lane === undefined || lane === own ? [{ lane: own, batch, ...span }] : []
}

async function* jobsById(
  { redis, keys, laneOf, run }: FailuresContext,
  ids: readonly string[],
  { batch, lane }: ParsedFilter,
): AsyncGenerator<FailedJob> {
  for (const id of ids) {
    const own = await run(() => laneOf(id))
    if (own === undefined || (lane !== undefined && lane !== own)) continue
    if (batch !== undefined && batch !== splitId(id).id) continue
    yield* await run(() => readFailedJobs(redis, keys, own, [id]))
  }
}

function failureOf({ id, lane, payload, outcome, code, text, attempts, notes, ...job }: FailedJob): Failure {
  const recipient = payload?.a
  const relay = notes.at(-1)?.relay
  return {
    id,
    lane,
    ...(payload?.b === undefined ? {} : { batch: splitId(id).id }),
    ...(recipient === undefined ? {} : { recipient }),
    outcome,
    code,
    reply: text,
    group: replyGroupOf(code, text, recipient),
    ...(relay === undefined ? {} : { relay }),
    attempts,
    enqueuedAt: new Date(job.enqueuedAt),
    at: new Date(job.endedAt),
    replays: payload?.g?.n ?? 0,
  }
}

/** The Message-ID of a delivery is in its content, or follows from its id and the sender there. */
function messageIds({ redis, keys, name, run }: FailuresContext) {
  const known = new Map<string, { messageId?: string; sender: string } | undefined>()
  const read = async (hash: string) => {
    const json = await run(() => redis.hget(keys.content(hash), 'json'))
    if (json === null) return undefined
    const content = JSON.parse(json) as Content
    const sender = typeof content.sender === 'string' ? content.sender : content.sender.address
    return 'messageId' in content ? { messageId: content.messageId, sender } : { sender }
  }
  return async ({ id, lane, payload }: FailedJob): Promise<string | undefined> => {
    if (payload === undefined) return undefined
    const { contentHash } = entryOf({ id, lane }, payload)
    if (!known.has(contentHash)) known.set(contentHash, await read(contentHash))
    const content = known.get(contentHash)
    if (content === undefined) return undefined
    return content.messageId ?? deliveryMessageId(name, id, content.sender)
  }
}
