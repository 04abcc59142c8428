// From where on panels change their colour: the thresholds of the alerts, so that both say the same.

import type { Steps } from './panel.js'

export const limits = {
  FluxMailNotDraining: 300,
  FluxMailTransactionalWait: 120,
  FluxMailBacklogEta: 6 * 3600,
  FluxMailThrottled: 0.5,
  FluxMailFailureRatio: [0.1, 0.5],
  FluxMailUnknownOutcomes: 0,
  FluxMailReconnectChurn: 0.5,
  FluxMailWorkerWithoutProgress: 900,
  FluxMailEventLoopLag: 0.5,
  FluxMailRedisMemory: [0.75, 0.88],
} as const

const [failing, failed] = limits.FluxMailFailureRatio
const [filling, full] = limits.FluxMailRedisMemory

/** Of what goes well: it turns orange and red as what fails grows. */
export const successSteps: Steps = [
  [0, 'red'],
  [1 - failed, 'orange'],
  [1 - failing, 'green'],
]
export const failureSteps: Steps = [
  [failing, 'orange'],
  [failed, 'red'],
]
/** Of the part of processes that reach something. */
export const reachedSteps: Steps = [
  [0, 'red'],
  [0.01, 'orange'],
  [1, 'green'],
]
export const memorySteps: Steps = [
  [filling, 'orange'],
  [full, 'red'],
]
/** Of outcomes and results: what is well is green, and what a person may have to look at is not. */
export const outcomeColors = [
  { name: 'sent', color: 'green' },
  { name: 'accepted', color: 'green' },
  { name: 'skipped', color: 'blue' },
  { name: 'aborted', color: 'blue' },
  { name: 'held', color: 'yellow' },
  { name: 'deferred', color: 'orange' },
  { name: 'unknown', color: 'orange' },
  { name: 'failed', color: 'red' },
  { name: 'refused', color: 'red' },
] as const
export const circuitWords = {
  0: ['closed', 'green'],
  1: ['half-open', 'yellow'],
  2: ['open', 'red'],
} as const
