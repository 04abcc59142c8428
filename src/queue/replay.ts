// Deliveries that failed, or are unknown, made pending again: each in one transaction, so that whatever ends in the
// middle of it loses none and runs again where it was. One that was sent is never replayed.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../clock.js'
import { readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import { type LeftReason, leftReasons, type ReopenStore, type ReplayNote } from '../store/reopen.js'
import type { FailedJob } from './failed-jobs.js'
import { inWords, type ParsedFilter } from './failure-filter.js'
import { createTally, type FailureGroup, type FailuresContext, type Found, findFailures } from './failures.js'
import type { LaneQueues } from './lane-queues.js'
import { entryOf, type Payload } from './payload.js'

export interface ReplayOptions {
  /** Counts what would be replayed, and changes nothing. */
  dryRun?: boolean | undefined
  /** How many a second become pending again; as fast as Redis takes them unless given. */
  ratePerSecond?: number | undefined
  /** Kept with every delivery and with its batch; up to 200 characters. */
  why?: string | undefined
  /** Also those of which nobody knows whether they were sent: they may be delivered twice. */
  includeUnknown?: boolean | undefined
  /** Stops between two deliveries; the same replay again goes on with the rest. */
  signal?: AbortSignal | undefined
  onProgress?: ((replayed: number) => void) | undefined
}

export interface ReplayResult {
  readonly dryRun: boolean
  /** How many are pending again, or would be. */
  readonly replayed: number
  /** The same by what the relays had said. */
  readonly groups: readonly FailureGroup[]
  /** How many were meant and were not replayed, by why. */
  readonly left: Readonly<Partial<Record<LeftReason, number>>>
  /** Whether `signal` ended it. */
  readonly stopped: boolean
}

export interface ReplayContext extends FailuresContext {
  readonly queues: LaneQueues
  readonly reopen: ReopenStore
  readonly clock: Clock
  /** Whether nothing is sent to an address now. */
  isSuppressed(address: string): Promise<boolean>
  /** @throws FluxMailError `queue_full` */
  checkRoom(): Promise<void>
}

const schema = z.strictObject({
  dryRun: z.boolean().default(false),
  ratePerSecond: z.number().positive().max(1_000_000).optional(),
  why: z.string().max(200).optional(),
  includeUnknown: z.boolean().default(false),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  onProgress: z
    .custom<(replayed: number) => void>((value) => typeof value === 'function', 'must be a function')
    .optional(),
})

type Parsed = z.output<typeof schema> & {
  /** Whether others look for the rest of what was named. */
  readonly isPart?: boolean | undefined
}

/** How many transactions are on their way at once, where no rate is asked for. */
const AT_ONCE = 50

/** @throws FluxMailError `invalid_params` */
export function parseReplayOptions(options: ReplayOptions): Parsed {
  const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
  if (!('problems' in read)) return read.data
  const { problems } = read
  throw new FluxMailError('invalid_params', `replay: ${problems.join('; ')}`, { details: { problems } })
}

/** @throws FluxMailError `invalid_params` for a filter that names nothing, `not_replayable`, `delivery_not_found` */
export async function replayFailures(
  context: ReplayContext,
  filter: ParsedFilter,
  options: Parsed,
): Promise<ReplayResult> {
  if (Object.keys(filter).length === 0) {
    const names = 'a batch, a lane, a code, a group, a relay, a domain, a time or deliveries by their id'
    throw new FluxMailError('invalid_params', `replay: say what is to be replayed: ${names}`)
  }
  if (!options.dryRun) await leftBehind(context, filter)
  const replay = new Replay(context, filter, options)
  await replay.run()
  return replay.result()
}

async function leftBehind({ queues, lanes, run }: ReplayContext, { lane }: ParsedFilter): Promise<void> {
  for (const each of lane === undefined ? lanes : [lane]) await run(() => queues.moveLeftBehind(each))
}

class Replay {
  readonly #context: ReplayContext
  readonly #filter: ParsedFilter
  readonly #options: Parsed
  readonly #note: ReplayNote
  readonly #tally = createTally()
  readonly #left = new Map<LeftReason, number>()
  readonly #startedAt: number
  readonly #named: Set<string>
  #replayed = 0

  constructor(context: ReplayContext, filter: ParsedFilter, options: Parsed) {
    const { why } = options
    this.#context = context
    this.#filter = filter
    this.#options = options
    this.#startedAt = context.clock.monotonicMs()
    this.#named = new Set(filter.id)
    this.#note = {
      id: randomUUID().slice(0, 8),
      at: context.now(),
      ...(why ? { why } : {}),
      what: inWords(filter),
    }
  }

  async run(): Promise<void> {
    const { ratePerSecond, signal } = this.#options
    const atOnce = ratePerSecond === undefined ? AT_ONCE : Math.max(1, Math.floor(ratePerSecond / 20))
    let waiting: Found[] = []
    for await (const found of findFailures(this.#context, this.#filter)) {
      if (signal?.aborted) return
      this.#named.delete(found.failure.id)
      waiting.push(found)
      if (waiting.length < atOnce) continue
      await this.#takeAll(waiting)
      waiting = []
    }
    if (!signal?.aborted) await this.#takeAll(waiting)
    await this.#explainMissing()
  }

  result(): ReplayResult {
    const { dryRun, signal } = this.#options
    return {
      dryRun,
      replayed: this.#replayed,
      groups: this.#tally.groups(),
      left: Object.fromEntries(this.#left),
      stopped: signal?.aborted ?? false,
    }
  }

  async #takeAll(found: readonly Found[]): Promise<void> {
    if (found.length === 0) return
    if (!this.#options.dryRun) await this.#context.run(() => this.#context.checkRoom())
    await this.#pace()
    const answers = await Promise.all(found.map(({ job }) => this.#take(job)))
    for (const [index, answer] of answers.entries()) {
      const failure = found[index]?.failure
      if (answer === 'again' || failure === undefined) continue
      if (answer === 'reopened') {
        this.#replayed += 1
        this.#tally.add(failure)
      } else this.#left.set(answer, (this.#left.get(answer) ?? 0) + 1)
    }
    this.#options.onProgress?.(this.#replayed)
  }

  /** What has been replayed so far is to have taken its time. */
  async #pace(): Promise<void> {
    const { ratePerSecond, signal, dryRun } = this.#options
    if (ratePerSecond === undefined || dryRun) return
    const { clock } = this.#context
    const dueAt = this.#startedAt + (this.#replayed * 1000) / ratePerSecond
    await clock.sleep(dueAt - clock.monotonicMs(), signal)
  }

  async #take(job: FailedJob): Promise<'reopened' | 'again' | LeftReason> {
    const { id, lane, payload, outcome, code, endedAt } = job
    const { dryRun, includeUnknown, signal } = this.#options
    if (payload === undefined) return 'unreadable'
    // It has failed again, after this very replay.
    if (payload.g?.at === this.#note.at) return 'again'
    if (payload.x !== undefined && payload.x <= this.#context.now()) return 'expired'
    if (outcome === 'unknown' && !includeUnknown) return 'unknown'
    if (signal?.aborted) return 'again'
    const { queues, reopen, run, isSuppressed } = this.#context
    // It would be skipped, and a skipped one is never replayed.
    if (await run(() => isSuppressed(payload.a))) return 'suppressed'
    if (dryRun) return 'reopened'
    const entry = entryOf({ id, lane }, payload)
    const data = JSON.stringify(begunAnew(payload, this.#note))
    const allow = reopen.call({ entry, endedAt, outcome, code, includeUnknown, data, replay: this.#note })
    const answer = await run(() => queues.moveBack(lane, id, allow))
    // Of two replays at the same time one has it.
    return answer as 'reopened' | LeftReason
  }

  /** A delivery that was named and is no failure is told of. */
  async #explainMissing(): Promise<void> {
    const { laneOf, run } = this.#context
    for (const id of this.#options.signal?.aborted ? [] : this.#named) {
      if ((await run(() => laneOf(id))) === undefined) throw notFound(id)
      throw new FluxMailError(
        'not_replayable',
        `the delivery ${id} did not fail: only what failed is replayed`,
      )
    }
    const [why] = this.#left.keys()
    if (this.#filter.id?.length === 1 && !this.#options.isPart && why !== undefined) {
      const hint = why === 'unknown' ? '; ask for it with includeUnknown' : ''
      throw new FluxMailError(
        'not_replayable',
        `the delivery ${this.#filter.id[0]} ${leftReasons[why]}${hint}`,
      )
    }
  }
}

function notFound(id: string): FluxMailError {
  const message = `there is no delivery ${id}, or it was finished and has been removed`
  return new FluxMailError('delivery_not_found', message)
}

/** The data of a delivery without what its attempts left there; what they came to is kept. */
function begunAnew(payload: Payload, { at, why }: ReplayNote): Payload {
  const { f: _firstAttempt, h: _held, s: _heldSince, w: _heldFor, ...rest } = payload
  const n = (payload.g?.n ?? 0) + 1
  return { ...rest, v: 2, g: { n, at, ...(why ? { why } : {}) } }
}
