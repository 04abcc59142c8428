// What an attempt needs of the world, filled with this worker's ledger, contents, permits and clock.
// It holds no rule of its own.

import type { Clock } from './clock.js'
import type { WorkerConfig } from './config.js'
import type { LaneRule, Ports } from './delivery/delivery.js'
import type { Permits } from './permits.js'
import type { Ledger } from './store/ledger.js'
import type { Complain } from './telemetry/complaints.js'

/** How long a verdict waits that Redis did not take. */
const RECORD_REPEAT_MS = 500

export interface PortsOptions {
  readonly config: WorkerConfig
  readonly clock: Clock
  readonly ledger: Pick<Ledger, 'claim' | 'mark' | 'release' | 'record'>
  readonly render: Ports['render']
  readonly permits: Permits
  readonly cutOff: AbortSignal
  /** Aborted when nobody is left who could record anything. */
  readonly gone: AbortSignal
  readonly complain: Complain
}

export function createPorts(options: PortsOptions): Ports {
  const { config, clock, ledger, permits, complain, gone } = options
  const lastReplyMs = Math.max(...Object.values(config.relays).map((relay) => relay.finalReplyTimeoutMs))
  // How long after a mark its attempt may still be alive.
  const lifeMs = lastReplyMs + config.lockMs
  const rules = new Map<string, LaneRule>()

  return {
    now: () => clock.now(),
    chance: () => clock.random(),
    laneRule(lane) {
      const rule = rules.get(lane) ?? laneRuleOf(config, lane)
      rules.set(lane, rule)
      return rule
    },
    claim: (delivery) => ledger.claim(delivery, delivery.recipient.address),
    async mark(entry, token, takeOver) {
      try {
        return await ledger.mark(entry, token, { takeOver, lifeMs })
      } catch (error) {
        // The delivery is held, and says no more than that.
        complain(error, 'a delivery could not be marked, and is not sent before it is')
        throw error
      }
    },
    leaveMs: config.lockMs,
    release: (entry, token, mayBeAccepted) => ledger.release(entry, token, mayBeAccepted),
    record: (entry, verdict) => ledger.record(entry, verdict),
    async beforeRepeat(error) {
      complain(error, `a verdict could not be recorded${gone.aborted ? '' : ' and will be'}`)
      await clock.sleep(RECORD_REPEAT_MS, gone)
      return !gone.aborted
    },
    render: options.render,
    look: (delivery, signal) => permits.look(delivery, signal),
    permit: (...asking) => permits.permit(...asking),
    slowerReplies: (relay) => config.relays[relay]?.slowerReplies,
    cutOff: options.cutOff,
  }
}

function laneRuleOf(config: WorkerConfig, lane: string): LaneRule {
  const rule = config.lanes[lane]
  if (rule === undefined) throw new TypeError(`there is no lane ${lane}`)
  const { maxAgeMs, maxAttempts } = rule.retry
  const { unknown, suppressOnBounce = lane === 'bulk' } = rule
  return { unknown, maxAgeMs, suppressOnBounce, ...(maxAttempts === undefined ? {} : { maxAttempts }) }
}
