// How many different guesses have failed: by user and address, by address, and by user. Bounded memory, no clock.
// A guess that comes again is none: a program that repeats one wrong password learns nothing and locks out nobody.

import { networkOf } from './network.js'

interface Count {
  failed: number
  /** When it is forgotten, on the clock of the caller. */
  readonly endsAt: number
}

/** Somebody at an address who wants to be a user. */
export interface Claimant {
  readonly address: string
  readonly username: string
}

const WINDOW_MS = 10 * 60_000
const MAX_ENTRIES = 10_000
/** A user name that is longer cannot be configured. */
const MAX_NAME = 256
/** How many times the limit one address may guess over all users, and all addresses together at one user. */
const share = { ofNetwork: 5, ofUser: 100 } as const

export class FailedLogins {
  readonly #maxOfPair: number
  readonly #ofPairs = new Map<string, Count>()
  readonly #ofNetworks = new Map<string, Count>()
  readonly #ofUsers = new Map<string, Count>()
  readonly #welcome = new Map<string, true>()
  readonly #guesses = new Map<string, true>()

  /** `max` for one user from one address. */
  constructor(max: number) {
    this.#maxOfPair = max
  }

  /** For how long no login is looked at any more; 0 when it is. */
  lockedMs(claimant: Claimant, now: number): number {
    const { pair, network, user } = keysOf(claimant)
    const max = this.#maxOfPair
    const own = lockedFor(this.#ofPairs.get(pair), max, now)
    // Whoever has logged in from there before answers for their own guesses only.
    if (this.#welcome.has(pair)) return own
    const ofNetwork = lockedFor(this.#ofNetworks.get(network), max * share.ofNetwork, now)
    return Math.max(own, ofNetwork, lockedFor(this.#ofUsers.get(user), max * share.ofUser, now))
  }

  add(claimant: Claimant, now: number): void {
    for (const [counts, key] of this.#countsOf(claimant)) {
      const count = counts.get(key)
      if (count && count.endsAt > now) count.failed += 1
      else remember(counts, key, { failed: 1, endsAt: now + WINDOW_MS })
    }
  }

  /** Takes back one `add`: the guess was right. */
  succeeded(claimant: Claimant): void {
    for (const [counts, key] of this.#countsOf(claimant)) {
      const count = counts.get(key)
      if (count && count.failed > 0) count.failed -= 1
    }
    this.welcome(claimant)
  }

  /** Neighbours cannot lock this one out any more. */
  welcome(claimant: Claimant): void {
    remember(this.#welcome, keysOf(claimant).pair, true)
  }

  /** Remembers a wrong guess by its proof. */
  wrong({ address }: Claimant, proof: string): void {
    remember(this.#guesses, `${networkOf(address)} ${proof}`, true)
  }

  /** Whether the very same guess from there was wrong before. */
  isRepeat(claimant: Claimant, proof: string): boolean {
    const known = this.#guesses.has(`${networkOf(claimant.address)} ${proof}`)
    // So that the guess that keeps coming is the last to be forgotten.
    if (known) this.wrong(claimant, proof)
    return known
  }

  #countsOf(claimant: Claimant): readonly (readonly [Map<string, Count>, string])[] {
    const { pair, network, user } = keysOf(claimant)
    return [
      [this.#ofPairs, pair],
      [this.#ofNetworks, network],
      [this.#ofUsers, user],
    ]
  }
}

function keysOf({ address, username }: Claimant) {
  const network = networkOf(address)
  const user = username.slice(0, MAX_NAME)
  return { pair: `${network} ${user}`, network, user }
}

function lockedFor(count: Count | undefined, max: number, now: number): number {
  return count === undefined || count.failed < max ? 0 : Math.max(0, count.endsAt - now)
}

/** Adds at the end, and drops the oldest when there are too many. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > MAX_ENTRIES && oldest !== undefined) map.delete(oldest)
}
