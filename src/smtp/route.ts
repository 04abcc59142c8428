// A route: its relays in order, or by weight. It says which of those that can be used is next.

import type { RouteConfig } from '../config.js'

export interface Route {
  readonly relays: readonly string[]
  readonly isByWeight: boolean
  /** Which of these goes next; undefined when there is none. */
  choose(usable: readonly string[]): string | undefined
}

export function createRoute(config: RouteConfig): Route {
  const relays = config.map((entry) => (typeof entry === 'string' ? entry : entry.relay))
  const weights = new Map<string, number>()
  for (const entry of config) {
    if (typeof entry !== 'string') weights.set(entry.relay, (weights.get(entry.relay) ?? 0) + entry.weight)
  }
  if (weights.size === 0) return { relays, isByWeight: false, choose: ([first]) => first }
  return { relays, isByWeight: true, choose: byWeight(weights) }
}

/** Each earns its weight at every choice, and who has most pays for all: smooth, and exact in the long run. */
function byWeight(weights: ReadonlyMap<string, number>) {
  const earned = new Map<string, number>()
  return (usable: readonly string[]): string | undefined => {
    let total = 0
    let richest: string | undefined
    for (const relay of usable) {
      const weight = weights.get(relay) ?? 0
      total += weight
      earned.set(relay, (earned.get(relay) ?? 0) + weight)
      if (richest === undefined || (earned.get(relay) ?? 0) > (earned.get(richest) ?? 0)) richest = relay
    }
    if (richest !== undefined) earned.set(richest, (earned.get(richest) ?? 0) - total)
    return richest
  }
}
