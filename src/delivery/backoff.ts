// When a deferred delivery is tried again, and when it is too old. Pure functions of the lane's rule and of now.

import type { RetryRule } from '../config.js'
import type { Delivery, LaneRule } from './delivery.js'
import { because } from './outcome.js'

/**
 * Milliseconds until the next attempt. `attempt` is 1 after the first; `chance` is 0 to 1 and spreads the delay.
 * `atLeastMs` is a time that the reply named: the next attempt comes no sooner, and no sooner than the rule says.
 */
export function retryDelayMs(rule: RetryRule, attempt: number, chance: number, atLeastMs = 0): number {
  const delay = rule.delaysMs[Math.min(attempt, rule.delaysMs.length) - 1] ?? 0
  const spread = 1 + rule.jitter * (2 * chance - 1)
  return Math.max(Math.round(delay * spread), atLeastMs)
}

/** Time since the first attempt that reached MAIL FROM, without time held. */
export function ageMs(delivery: Pick<Delivery, 'firstAttemptAt' | 'heldMs'>, now: number): number {
  return delivery.firstAttemptAt === undefined
    ? 0
    : Math.max(0, now - delivery.firstAttemptAt - delivery.heldMs)
}

/** Says why a deferred delivery is not tried again, if it is not. */
export function expired(delivery: Delivery, rule: LaneRule, now: number): string | undefined {
  const attempts = delivery.attemptsMade + 1
  if (rule.maxAttempts !== undefined && attempts >= rule.maxAttempts) return `${attempts} attempts were made`
  const age = ageMs(delivery, now)
  if (age < rule.maxAgeMs) return undefined
  return `it is ${Math.round(age / 1000)} s old and its lane allows ${Math.round(rule.maxAgeMs / 1000)} s`
}

export const pastItsTime = because('expired', 'it was not sent before its expiresAt')

/** Whether its `expiresAt` is over, by the wall clock, whatever it waited for. */
export function isPast({ expiresAt }: Pick<Delivery, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && now >= expiresAt
}
