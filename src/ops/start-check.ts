// The doctor at the start of a worker: what is refused ends the start, what is doubtful is said once.

import type { Clock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import type { Redis } from '../redis.js'
import type { Logger } from '../telemetry/log.js'
import { examine, type Finding, type WorkerFacts } from './doctor.js'
import { gatherFacts } from './doctor-facts.js'

/** @throws FluxMailError `invalid_config` with what is refused and the command that mends it */
export async function checkAtStart(
  redis: Redis,
  clock: Clock,
  worker: WorkerFacts,
  logger: Logger,
): Promise<void> {
  const findings = examine(await gatherFacts(redis, clock, worker))
  const refused = findings.filter(({ verdict }) => verdict === 'refused')
  for (const { check, verdict, message, mend } of findings) {
    if (verdict === 'warning') logger.warn({ check, mend }, message)
  }
  if (refused.length === 0) return
  throw new FluxMailError('invalid_config', refused.map(sentence).join('\n'), { details: { refused } })
}

function sentence({ message, mend }: Finding): string {
  return mend === undefined ? message : `${message}; set it right: ${mend}`
}
