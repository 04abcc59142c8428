// Where deliveries ask for a permit: which relay of the route it is for, and whether they wait for it in their place or
// make room for others. It knows no connection and sends nothing.

import type { Clock } from '../clock.js'
import type { Delivery, Pass, Passage, Throttled } from '../delivery/delivery.js'
import { type Gate, gateName } from '../limits/gate.js'
import type { Providers } from '../limits/providers.js'
import type { Choice } from '../smtp/relays.js'
import { type Appointments, createAppointments } from './appointments.js'
import type { Lack } from './shelf.js'
import { createSlots, type Slots } from './slots.js'
import type { Stock } from './stock.js'
import { waitForPass } from './wait.js'

/** How far a gate is open. */
export interface Opening {
  /** Permits that could be had now, about; `Infinity` without a limit. */
  readonly permits: number
  /** How many pass in a second; `Infinity` without a limit, 0 while nothing does. */
  readonly perSecond: number
}

export interface DeskOptions {
  readonly clock: Clock
  readonly providers: Providers
  /** By relay. */
  readonly stocks: ReadonlyMap<string, Stock>
  /** The relays of a route that may be used now; undefined where there is no such route. */
  choice(route: string | undefined): Choice | undefined
  /** Whether all routes go through the same relays: then what is short at a relay is short for everybody. */
  readonly isOneRoute: boolean
  /** Deliveries that one lane works on at once. */
  readonly concurrency: number
  /** A delivery has waited for a permit in its place. */
  waited(relay: string, provider: string, lane: string, ms: number): void
}

export interface Desk {
  look(delivery: Delivery, signal: AbortSignal): Promise<Passage>
  /** A permit of this one relay; undefined when none came within `ms`, or `signal` was aborted. */
  wait(relay: string, delivery: Delivery, ms: number, signal: AbortSignal): Promise<Pass | undefined>
  /** As far as it is known. */
  providerOf(delivery: Pick<Delivery, 'recipient'>): string
  /** Why the delivery is to come back later. */
  throttled(relay: string, delivery: Delivery, short?: 'connections'): Throttled
  isOpen(gate: Gate, lane: string): Opening
}

/** How long a delivery waits in its place for what is short for everybody. */
const PATIENCE_MS = 15_000
/** Of a second's worth, so much can be had at once where nothing is known to be short. */
const AT_ONCE_SECONDS = 0.25
/** Where no rate is what is short, and where there is hardly any. */
const SLOW_PER_SECOND = 1
const SLOWEST_PER_SECOND = 0.001
/** How long whoever had no connection stays away. */
const NO_PLACE_MS = 1_000
/** A provider that no relay has a limit for. */
const anyProvider = '*'

const open: Passage = { kind: 'open' }
const shut: Opening = { permits: 0, perSecond: 0 }
const unlimited: Opening = { permits: Number.POSITIVE_INFINITY, perSecond: Number.POSITIVE_INFINITY }

interface Lacking {
  readonly short: Lack['short'] | 'connections'
  readonly waitMs: number
}

interface Wish {
  readonly lane: string
  readonly route: string | undefined
  readonly provider: string
}

export function createDesk(options: DeskOptions): Desk {
  return new PermitDesk(options)
}

class PermitDesk implements Desk {
  readonly #options: DeskOptions
  readonly #appointments: Appointments
  readonly #slots: Slots

  constructor(options: DeskOptions) {
    this.#options = options
    this.#appointments = createAppointments(options.clock)
    this.#slots = createSlots(Math.floor(options.concurrency / 2))
  }

  async look(delivery: Delivery, signal: AbortSignal): Promise<Passage> {
    const { clock, choice } = this.#options
    const first = choice(delivery.route)
    if (first === undefined) return open
    const wish = await this.#wishOf(delivery)
    if (!first.relays.some((relay) => this.#stockOf(relay).isLimited(wish.provider))) return open
    const startedAt = clock.monotonicMs()
    for (let now: Choice | undefined = first; now; now = choice(delivery.route)) {
      // What no relay can take for another reason is told apart by `permit`.
      if (now.relays.length === 0) return open
      const passage = await this.#pass(now, wish, signal, startedAt)
      if (passage) return passage
    }
    return open
  }

  async wait(relay: string, delivery: Delivery, ms: number, signal: AbortSignal): Promise<Pass | undefined> {
    const { clock } = this.#options
    const { lane } = delivery
    // It was asked for by `look`.
    const provider = this.providerOf(delivery)
    const stock = this.#stockOf(relay)
    const pass = stock.take(provider, lane)
    if (pass || ms <= 0) return pass
    const until = clock.monotonicMs() + ms
    const mayStay = () => () => undefined
    const waited = await waitForPass({ clock, stocks: [stock], provider, lane, signal, until, mayStay })
    return waited.kind === 'open' ? waited.pass : undefined
  }

  providerOf({ recipient }: Pick<Delivery, 'recipient'>): string {
    return this.#options.providers.of(recipient.address)
  }

  throttled(relay: string, delivery: Delivery, short?: 'connections'): Throttled {
    const { lane, route } = delivery
    const wish = { lane, route, provider: this.providerOf(delivery) }
    const lack = this.#stockOf(relay).lack(wish.provider, lane)
    return this.#throttledBy([relay], wish, short === undefined ? lack : { short, waitMs: NO_PLACE_MS })
  }

  isOpen({ provider = anyProvider, route }: Gate, lane: string): Opening {
    const now = this.#options.choice(route)
    if (now === undefined) return shut
    // For hours nobody passes: who comes by appointment finds out whether it is so still.
    const relays = now.relays.filter((relay) => !this.#stockOf(relay).isOutForToday)
    const openings = this.#candidates({ ...now, relays }, { provider, route, lane }).map((relay) => {
      const stock = this.#stockOf(relay)
      if (!stock.isLimited(provider)) return unlimited
      const perSecond = stock.perSecond(provider)
      const isShort = stock.lack(provider, lane).short !== 'none'
      return { permits: isShort ? 0 : Math.max(1, Math.floor(perSecond * AT_ONCE_SECONDS)), perSecond }
    })
    return openings.reduce(
      (sum, each) => ({
        permits: sum.permits + each.permits,
        perSecond: sum.perSecond + each.perSecond,
      }),
      shut,
    )
  }

  /** Undefined when another relay is to be looked at. */
  async #pass(now: Choice, wish: Wish, signal: AbortSignal, startedAt: number): Promise<Passage | undefined> {
    const { clock, waited } = this.#options
    const { provider, lane } = wish
    const relays = this.#candidates(now, wish)
    if (relays.length === 0) return this.#throttledBy(now.relays, wish, { short: 'day', waitMs: 0 })
    const there = now.choose(relays.filter((relay) => this.#stockOf(relay).has(provider, lane)))
    const pass = there === undefined ? undefined : this.#stockOf(there).take(provider, lane)
    if (pass) return { kind: 'open', pass }
    const came = await waitForPass({
      clock,
      stocks: relays.map((relay) => this.#stockOf(relay)),
      provider,
      lane,
      signal,
      until: startedAt + PATIENCE_MS,
      mayStay: (lack) => this.#place(lack, wish, relays),
    })
    if (came.kind === 'closing') return came
    const [relay = ''] = came.kind === 'open' ? [came.pass.relay] : [came.relay]
    waited(relay, provider, lane, clock.monotonicMs() - startedAt)
    if (came.kind === 'open') return came
    if (came.lack.short === 'day') return undefined
    return this.#throttledBy([came.relay, ...relays.filter((each) => each !== came.relay)], wish, came.lack)
  }

  /** Those that have not sent all their messages of the day: all of a route by weight, or the first of one in order. */
  #candidates({ relays, isByWeight }: Choice, { provider, lane }: Wish): readonly string[] {
    const able = relays.filter((relay) => this.#stockOf(relay).lack(provider, lane).short !== 'day')
    return isByWeight ? able : able.slice(0, 1)
  }

  /** Where the others could go on meanwhile, only a few wait in their places. */
  #place({ short }: Lack, wish: Wish, relays: readonly string[]): (() => void) | undefined {
    if (short === 'day') return undefined
    if (short === 'relay' && this.#options.isOneRoute) return () => undefined
    return this.#slots.enter(wish.lane, gateName(gateOf(short, wish)), this.#perSecond(relays, wish))
  }

  #throttledBy(relays: readonly string[], wish: Wish, { short: lacking, waitMs }: Lacking): Throttled {
    const [relay = ''] = relays
    const short = lacking === 'none' ? 'relay' : lacking
    const gate = gateOf(short, wish)
    const all = this.#perSecond(relays, wish)
    const isSlow = short === 'day' || short === 'connections' || all === Number.POSITIVE_INFINITY
    const perSecond = isSlow ? SLOW_PER_SECOND : Math.max(all, SLOWEST_PER_SECOND)
    const backMs = short === 'day' ? Number.POSITIVE_INFINITY : waitMs
    const key = `${wish.lane} ${gateName(gate)}`
    // Where this worker has no place, nobody waits for those before him: another may take him at once.
    const returnMs =
      short === 'connections' ? Math.ceil(waitMs) : this.#appointments.next(key, perSecond, backMs)
    return { kind: 'throttled', relay, short, gate, perSecond, waitMs: returnMs }
  }

  #perSecond(relays: readonly string[], { provider }: Wish): number {
    return relays.reduce((sum, relay) => sum + this.#stockOf(relay).perSecond(provider), 0)
  }

  async #wishOf({ lane, route, recipient }: Delivery): Promise<Wish> {
    return { lane, route, provider: await this.#options.providers.ask(recipient.address) }
  }

  #stockOf(relay: string): Stock {
    const stock = this.#options.stocks.get(relay)
    if (stock === undefined) throw new TypeError(`there is no relay ${relay}`)
    return stock
  }
}

function gateOf(short: Lacking['short'], { provider, route }: Wish): Gate {
  return short === 'provider' ? { provider, route } : { route }
}
