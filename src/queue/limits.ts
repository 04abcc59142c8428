// `queue.limits`: the limits of the relays as all workers share them, to be seen, set while they run, and set back.
// What is set outlives restarts, and goes before what the workers are configured with.

import { z } from 'zod'
import { parseWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import { type LimitChange, type LimitState, relayBucket } from '../limits/limit.js'
import { burstProblems, leastBurst } from '../limits/limit-schema.js'
import { knownProviders } from '../limits/provider-table.js'
import type { LimitStates } from '../store/limit-states.js'
import type { WorkerStatus } from '../store/workers.js'
import { limitStatusOf, type RelayLimitStatus } from './limit-status.js'

/** Limits to set; `null` takes a limit away, one that is not named stays as it is. */
export interface LimitSettings extends LimitChange {
  /** Only for what goes to this provider; it has `ratePerSecond` and `burst`. Default: the relay as a whole. */
  readonly provider?: string
}

export interface LimitResetOptions {
  /** Only what was set for this provider. Default: all that was set for the relay and its providers. */
  readonly provider?: string
}

export interface LimitsContext {
  readonly states: LimitStates
  /** Those that are there. */
  workers(): Promise<readonly WorkerStatus[]>
  /** Runs what talks to Redis. */
  run<T>(command: () => Promise<T>): Promise<T>
  /** Runs what writes, and resolves once it is as durable as the queue was told to be. */
  write<T>(command: () => Promise<T>): Promise<T>
}

const perSecond = z.number().min(0.001).max(1_000_000).nullable().optional()
const whole = z.number().int().min(1).nullable().optional()
const settings = z.strictObject({
  provider: z.string().min(1).optional(),
  ratePerSecond: perSecond,
  burst: z.number().min(1).nullable().optional(),
  maxConnections: whole,
  perDay: whole,
})
const resetOptions = z.strictObject({ provider: z.string().min(1).optional() })

/** The limits of the relays that workers have or had within the last day. */
export class Limits {
  readonly #context: LimitsContext

  constructor(context: LimitsContext) {
    this.#context = context
  }

  /**
   * All relays, or those named.
   *
   * @throws FluxMailError `relay_not_found`, `queue_unavailable`
   */
  async list(...relays: readonly string[]): Promise<RelayLimitStatus[]> {
    const { run, states } = this.#context
    return run(async () => {
      const names = relays.length > 0 ? relays : await states.relays()
      const found = await Promise.all(names.map((relay) => this.#read(relay)))
      const missing = relays.find((_, index) => found[index] === undefined)
      if (missing !== undefined) throw await this.#unknown(missing)
      return found.filter((status) => status !== undefined)
    })
  }

  /**
   * Sets limits of a relay for all workers, who know within a second.
   *
   * @throws FluxMailError `invalid_params`, `relay_not_found`, `queue_unavailable`
   */
  async set(relay: string, limits: LimitSettings): Promise<RelayLimitStatus> {
    const { provider = relayBucket, ...rest } = parseSettings(limits)
    const change = given(rest)
    checkChange(change, provider)
    return this.#context.write(async () => {
      const workers = provider === relayBucket ? [] : await this.#context.workers()
      return this.#change(relay, (state) => {
        checkProvider(provider, state, workers)
        const following = { ...state.set, [provider]: { ...state.set[provider], ...change } }
        checkBurst({ ...state, set: following }, provider, change)
        return { ...state, set: following }
      })
    })
  }

  /**
   * Takes back what was set, so that what is configured holds again.
   *
   * @throws FluxMailError `invalid_params`, `relay_not_found`, `queue_unavailable`
   */
  async reset(relay: string, options: LimitResetOptions = {}): Promise<RelayLimitStatus> {
    const { provider } = parseParams(resetOptions, options, 'limits.reset')
    return this.#context.write(async () => {
      const workers = provider === undefined ? [] : await this.#context.workers()
      return this.#change(relay, (state) => {
        if (provider === undefined) return { ...state, set: {} }
        checkProvider(provider, state, workers)
        const { [provider]: _, ...others } = state.set
        return { ...state, set: others }
      })
    })
  }

  async #change(relay: string, change: (state: LimitState) => LimitState): Promise<RelayLimitStatus> {
    const changed = await this.#context.states.change(relay, change)
    const status = changed && (await this.#read(relay))
    if (status === undefined) throw await this.#unknown(relay)
    return status
  }

  async #read(relay: string): Promise<RelayLimitStatus | undefined> {
    const reading = await this.#context.states.read(relay)
    return reading && limitStatusOf(relay, reading)
  }

  async #unknown(relay: string): Promise<FluxMailError> {
    const names = await this.#context.states.relays()
    const there =
      names.length > 0
        ? `there are: ${names.join(', ')}`
        : 'no worker had a relay within the last day: start one first'
    return new FluxMailError('relay_not_found', `there is no relay "${relay}"; ${there}`, {
      details: { relay, relays: names },
    })
  }
}

function parseSettings(limits: LimitSettings): z.output<typeof settings> {
  return parseParams(settings, limits, 'limits.set')
}

function parseParams<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  return parseWith(schema, value, { code: 'invalid_params', where, wrong: where })
}

function given(change: { readonly [K in keyof LimitChange]?: LimitChange[K] | undefined }): LimitChange {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
}

function checkChange(change: LimitChange, provider: string): void {
  if (Object.keys(change).length === 0)
    throw refused('name a limit: ratePerSecond, burst, maxConnections or perDay')
  if (provider === relayBucket) return
  const field = (['maxConnections', 'perDay'] as const).find((each) => change[each] !== undefined)
  if (field !== undefined)
    throw refused(`${field} is a limit of the relay, not of a provider: set it without provider`)
}

function checkProvider(provider: string, state: LimitState, workers: readonly WorkerStatus[]): void {
  if (provider === relayBucket) return
  const more = workers.flatMap(({ providers = [] }) => providers)
  const names = [...knownProviders, ...more, ...Object.keys(state.configured.providers)]
  const known = new Set([...names, ...Object.keys(state.set)])
  known.delete(relayBucket)
  if (known.has(provider)) return
  throw refused(`there is no provider "${provider}"; there are ${[...known].join(', ')}`)
}

/** A burst that was right for the rate before may be too small for the new one. */
function checkBurst({ configured, set }: LimitState, bucket: string, change: LimitChange): void {
  const own = bucket === relayBucket ? configured : (configured.providers[bucket] ?? {})
  const pick = (field: 'ratePerSecond' | 'burst') => {
    const value = set[bucket]?.[field]
    return value === null ? undefined : (value ?? own[field])
  }
  const [ratePerSecond, burst] = [pick('ratePerSecond'), pick('burst')]
  if (ratePerSecond === undefined) {
    if (change.burst !== undefined && change.burst !== null)
      throw refused('burst goes with a rate, and there is none: set ratePerSecond as well')
    return
  }
  if (burstProblems({ ratePerSecond, burst }).length === 0) return
  const least = Math.max(1, Math.ceil(ratePerSecond * leastBurst))
  throw refused(
    `burst is ${burst} and must be at least ${least}, a quarter of the rate; set it to that, or to none for half of the rate`,
  )
}

function refused(problem: string): FluxMailError {
  return new FluxMailError('invalid_params', `limits: ${problem}`)
}
