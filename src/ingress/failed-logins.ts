// How many logins have failed, by where they came from, in bounded memory. Pure but for what it remembers.
// A user who has logged in from an address before is counted apart there, so that a neighbour cannot lock them out.

import { isIPv6 } from 'node:net'

interface Count {
  failed: number
  /** When it is forgotten, on the clock of the caller. */
  readonly endsAt: number
}

const WINDOW_MS = 10 * 60_000
const MAX_ENTRIES = 10_000

export class FailedLogins {
  readonly #max: number
  readonly #counts = new Map<string, Count>()
  readonly #seen = new Map<string, true>()

  constructor(max: number) {
    this.#max = max
  }

  /** Where a login is counted. */
  keyOf(address: string, username: string): string {
    const from = networkOf(address)
    const pair = `${from} ${username}`
    return this.#seen.has(pair) ? pair : from
  }

  /** For how long no login is looked at any more; 0 when it is. */
  lockedMs(key: string, now: number): number {
    const count = this.#counts.get(key)
    if (count === undefined || count.failed < this.#max) return 0
    return Math.max(0, count.endsAt - now)
  }

  add(key: string, now: number): void {
    const count = this.#counts.get(key)
    if (count && count.endsAt > now) count.failed += 1
    else remember(this.#counts, key, { failed: 1, endsAt: now + WINDOW_MS })
  }

  /** Takes back one `add`. */
  forgive(key: string): void {
    const count = this.#counts.get(key)
    if (count && count.failed > 0) count.failed -= 1
  }

  succeeded(address: string, username: string): void {
    remember(this.#seen, `${networkOf(address)} ${username}`, true)
  }
}

/** Whoever has one IPv6 address has the whole /64. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const groups = head.split(':').filter((group) => group !== '')
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter(Boolean).length
  const all = [...groups, ...Array.from({ length: missing }, () => '0'), ...(tail ?? '').split(':')]
  return all.slice(0, 4).join(':')
}

/** Adds at the end, and drops the oldest when there are too many. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > MAX_ENTRIES && oldest !== undefined) map.delete(oldest)
}
