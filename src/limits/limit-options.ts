// What a configuration says of limits, in the form that the fleet shares: those of a relay, and each lane's share.

import type { RelayConfig, WorkerConfig } from '../config.js'
import type { RelayLimits } from './limit.js'
import { shareOf } from './shares.js'

/** The limits that hold for the whole fleet. */
export function relayLimitsOf(relay: RelayConfig): RelayLimits {
  const { ratePerSecond, burst, maxConnections, perDay, warmup, selfTuning, providers } = relay
  return { ratePerSecond, burst, maxConnections, perDay, warmup, selfTuning, providers }
}

/** The guaranteed share of each lane, 0 to 1; together at most 1. */
export function sharesOf({ lanes }: Pick<WorkerConfig, 'lanes'>): Record<string, number> {
  return Object.fromEntries(Object.entries(lanes).map(([lane, { share }]) => [lane, shareOf(lane, share)]))
}
