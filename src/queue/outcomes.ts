// The outcomes of deliveries as an app reads them: from a durable stream, each given until it is acknowledged.
// At least once: what is not acknowledged is given again, and what was unknown may come a second time as sent.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type Clock, maxTimerMs } from '../clock.js'
import { name, readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import { disconnect, type Keys, type Redis, ready } from '../redis.js'
import type { SettledOutcome } from '../store/ledger.js'
import {
  createOutcomeStream,
  firstCursor,
  type Member,
  type OutcomeStream,
  readEntries,
  type StreamEntry,
} from '../store/outcome-stream.js'
import { splitId } from './payload.js'

export interface OutcomesOptions {
  /** Who reads: each group is given every outcome from its first call on. 1 to 64 of `A-Z a-z 0-9 _ -`. */
  group: string
  /**
   * One of those who share the work of a group; random unless given. Under the same name what was not acknowledged
   * comes first when it starts again.
   */
  consumer?: string | undefined
  /** How many are fetched at once, at the most; default 100. */
  batch?: number | undefined
  /** What nobody has acknowledged for so long is given to another consumer of the group; default 60 000. */
  claimAfterMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** How one delivery was settled. */
export interface DeliveryOutcome {
  readonly id: string
  /** The batch that it is a row of. */
  readonly batch?: string
  readonly lane: string
  readonly recipient?: string
  readonly outcome: SettledOutcome
  /** What it failed or was skipped for, such as `550 5.1.1`, `expired` or `cancelled`. */
  readonly code?: string
  /** The last reply of the relay, up to 200 characters. */
  readonly reply?: string
  readonly enqueuedAt?: Date
  /** When it was settled, by the clock of Redis. */
  readonly at: Date
  /** Says that it need not be given again. */
  ack(): Promise<void>
}

export interface OutcomesContext {
  readonly keys: Keys
  /** On the connection of the queue, which fails fast; reading itself waits for a Redis that is away. */
  readonly stream: OutcomeStream
  readonly clock: Clock
  readonly keptSeconds: number
  /** A connection of its own, since it waits. */
  connect(): Redis
  /** Runs a command of `stream`. */
  run<T>(command: () => Promise<T>): Promise<T>
  /** Aborted when the queue is closed. */
  readonly closing: AbortSignal
}

/** How long one read waits for something new; between two of them it looks for what others have left behind. */
const WAIT_MS = 2_000
const SWEEP_EVERY_MS = 5_000

const schema = z.strictObject({
  group: name,
  consumer: name.optional(),
  batch: z.number().int().min(1).max(10_000).default(100),
  claimAfterMs: z.number().int().min(1).max(maxTimerMs).default(60_000),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
})

export type OutcomesReading = z.output<typeof schema>

/** @throws FluxMailError `invalid_params` */
export function parseOutcomesOptions(options: unknown): OutcomesReading {
  const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
  if (!('problems' in read)) return read.data
  const { problems } = read
  throw new FluxMailError('invalid_params', `outcomes: ${problems.join('; ')}`, { details: { problems } })
}

/** Reads until `signal` is aborted, the queue is closed, or the loop is left. */
export async function* readOutcomes(
  context: OutcomesContext,
  options: OutcomesReading,
): AsyncGenerator<DeliveryOutcome, void, void> {
  const { closing } = context
  const ending = options.signal ? AbortSignal.any([closing, options.signal]) : closing
  const redis = context.connect()
  const reader = new Reader(context, redis, options, ending)
  const end = () => disconnect(redis)
  ending.addEventListener('abort', end, { once: true })
  try {
    if (ending.aborted) return
    await ready(redis)
    yield* reader.outcomes()
  } catch (error) {
    if (!ending.aborted) throw error
  } finally {
    ending.removeEventListener('abort', end)
    disconnect(redis)
    // A consumer that is not forgotten stays in the books of Redis, and does no harm there.
    if (!closing.aborted) await context.run(() => context.stream.retire(reader.member)).catch(() => undefined)
  }
}

class Reader {
  readonly member: Member
  readonly #context: OutcomesContext
  readonly #redis: Redis
  readonly #stream: OutcomeStream
  readonly #options: OutcomesReading
  readonly #ending: AbortSignal
  /** Nothing that this consumer left behind is looked for once there is none. */
  #hasOwn: boolean
  #claimAt = 0
  #cursor = firstCursor
  #sweepAt = 0

  constructor(context: OutcomesContext, redis: Redis, options: OutcomesReading, ending: AbortSignal) {
    const { group, consumer = `c${randomUUID()}` } = options
    this.member = { group, consumer }
    this.#context = context
    this.#redis = redis
    this.#stream = createOutcomeStream(redis, context.keys)
    this.#options = options
    this.#ending = ending
    this.#hasOwn = options.consumer !== undefined
  }

  async *outcomes(): AsyncGenerator<DeliveryOutcome, void, void> {
    await this.#join()
    while (!this.#ending.aborted) {
      const readAt = this.#context.clock.monotonicMs()
      yield* this.#eachOf(await this.#next(), readAt)
    }
  }

  /** What waits here for its turn may become old enough to be given to somebody else. */
  async *#eachOf(entries: StreamEntry[], readAt: number): AsyncGenerator<DeliveryOutcome, void, void> {
    const { clock } = this.#context
    let heldAt = readAt
    let left = entries
    while (left.length > 0 && !this.#ending.aborted) {
      if (clock.monotonicMs() - heldAt > this.#options.claimAfterMs / 2) {
        heldAt = clock.monotonicMs()
        left = await this.#stillOurs(left)
      }
      const [first, ...rest] = left
      left = rest
      if (first) yield this.#outcomeOf(first)
    }
  }

  async #stillOurs(entries: readonly StreamEntry[]): Promise<StreamEntry[]> {
    const ids = entries.map(({ id }) => id)
    const held = new Set(await this.#stream.hold(this.member, ids))
    return entries.filter(({ id }) => held.has(id))
  }

  async #next(): Promise<StreamEntry[]> {
    try {
      return (await this.#left()) ?? (await this.#read('new'))
    } catch (error) {
      if (this.#ending.aborted) return []
      if (!/\b(NOGROUP|UNBLOCKED)\b/.test(String(error))) throw error
      // Redis was emptied, or came back from before the group was begun.
      await this.#join()
      return []
    }
  }

  #join(): Promise<void> {
    return this.#stream.join(this.member.group, this.#context.keptSeconds)
  }

  /** What was given before and not acknowledged: by this consumer, or by one that is gone. */
  async #left(): Promise<StreamEntry[] | undefined> {
    const { clock } = this.#context
    const { batch, claimAfterMs } = this.#options
    if (this.#hasOwn) {
      this.#hasOwn = false
      const own = await this.#read('own', 10_000)
      if (own.length > 0) return own
    }
    const now = clock.monotonicMs()
    if (now >= this.#sweepAt) {
      this.#sweepAt = now + SWEEP_EVERY_MS
      await this.#stream.sweep()
    }
    if (now < this.#claimAt) return undefined
    const { entries, cursor } = await this.#stream.takeOver(this.member, claimAfterMs, batch, this.#cursor)
    this.#cursor = cursor
    if (cursor === firstCursor) this.#claimAt = now + Math.min(claimAfterMs / 2, WAIT_MS)
    return entries.length > 0 ? entries : undefined
  }

  #read(which: 'own' | 'new', count = this.#options.batch): Promise<StreamEntry[]> {
    const waitMs = Math.min(WAIT_MS, Math.max(1, Math.round(this.#options.claimAfterMs / 2)))
    return readEntries(this.#redis, this.#context.keys, this.member, { which, count, waitMs })
  }

  #outcomeOf({ id: entryId, fields }: StreamEntry): DeliveryOutcome {
    const { i: id = '', o, l: lane = '', a: recipient, c: code, r: reply, q: enqueuedAt, b: inBatch } = fields
    const { stream, run } = this.#context
    return {
      id,
      ...(inBatch ? { batch: splitId(id).id } : {}),
      lane,
      ...(recipient ? { recipient } : {}),
      outcome: o as SettledOutcome,
      ...(code ? { code } : {}),
      ...(reply ? { reply } : {}),
      ...(enqueuedAt ? { enqueuedAt: new Date(Number(enqueuedAt)) } : {}),
      at: new Date(Number(entryId.slice(0, entryId.indexOf('-')))),
      ack: () => run(() => stream.acknowledge(this.member.group, entryId)),
    }
  }
}
