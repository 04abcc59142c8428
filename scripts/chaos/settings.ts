// What a chaos run is set to: times so short that two minutes say something, and the promise's two policies.
// Pure: the same words for the workers' configuration, the nemesis and the checker.

export type Policy = 'hold' | 'resend'
export type PolicyChoice = Policy | 'both'

export interface ChaosOptions {
  readonly seed: number
  readonly minutes: number
  readonly policy: PolicyChoice
  /** The Redis to use; a private one unless given. */
  readonly redis?: string | undefined
  /** Whether the nemesis does anything. */
  readonly calm: boolean
  /** Of the nemesis's actions only these; all unless given. */
  readonly only?: readonly string[] | undefined
  /** Where records and logs go. */
  readonly folder: string
}

export const lanes = ['transactional', 'bulk'] as const
export type Lane = (typeof lanes)[number]

export const lockMs = 2_000
export const finalReplyTimeoutMs = 4_000
/** How long an attempt may still be alive after its mark. */
export const attemptLifeMs = finalReplyTimeoutMs + lockMs
const maxAgeMs = 25_000

export const login = { username: 'chaos', password: 'right' } as const

export function policyOf(lane: Lane, choice: PolicyChoice): Policy {
  if (choice !== 'both') return choice
  return lane === 'bulk' ? 'hold' : 'resend'
}

/**
 * The configuration file of one worker; `domain` is what the sink knows it by. One that `pipelines` has few connections,
 * so that its envelopes go out ahead of the answers before them.
 */
export function workerConfig(domain: string, port: number, choice: PolicyChoice, pipelines: boolean) {
  const retry = { delaysMs: [250, 500, 1_000], jitter: 0.2, maxAgeMs }
  return {
    relays: {
      main: {
        host: '127.0.0.1',
        port,
        domain,
        ...login,
        timeoutMs: 3_000,
        finalReplyTimeoutMs,
        maxConnectionsPerWorker: pipelines ? 3 : 6,
        pipelineMessages: pipelines,
        idleMs: 2_000,
        maxMessagesPerConnection: 40,
      },
    },
    lanes: Object.fromEntries(lanes.map((lane) => [lane, { retry, unknown: policyOf(lane, choice) }])),
    concurrency: 8,
    lockMs,
  }
}
