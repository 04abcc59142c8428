// Jobs of one address, whatever they do: what waits is skipped and removed, what is finished is removed.
// They are found by their keys, which stay while a job goes from one list to another.

import type { Clock } from '../clock.js'
import type { Keys, Redis } from '../redis.js'
import type { Ledger } from '../store/ledger.js'
import type { FinishedJobs } from './finished-jobs.js'
import { forgottenCode } from './forget-rows.js'
import type { LaneQueues } from './lane-queues.js'
import { isDeliveryId } from './payload.js'
import { removeJob } from './remove-job.js'
import { scan } from './scan.js'

export interface ForgetJobsContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly lanes: LaneQueues
  readonly ledger: Pick<Ledger, 'record' | 'forget'>
  readonly finished: FinishedJobs
  readonly clock: Pick<Clock, 'sleep'>
  /** Deliveries that were erased as rows; one may have been made a job at that very moment. */
  readonly rows: ReadonlySet<string>
  isMeant(address: string): boolean
  /** In place of ending a job: says what would become of it. */
  preview?(lane: string, id: string): Promise<keyof ForgottenJobs>
}

export interface ForgottenJobs {
  waiting: number
  finished: number
  failed: number
  active: number
}

/** A worker that has one is waited for, for some seconds. */
const LOOKS = 20
const LOOK_AGAIN_MS = 250
const reason = { code: forgottenCode, message: 'what was kept about its recipient was erased' }

export async function forgetJobs(context: ForgetJobsContext): Promise<ForgottenJobs> {
  const { redis, keys, lanes } = context
  const count: ForgottenJobs = { waiting: 0, finished: 0, failed: 0, active: 0 }
  for (const lane of lanes.lanes) {
    const prefix = `${keys.bullPrefix}:${lane}:`
    for await (const page of scan(redis, `${prefix}*`, 'hash')) {
      const ids = page.map((key) => key.slice(prefix.length)).filter(isDeliveryId)
      const data = await Promise.all(ids.map((id) => redis.hget(prefix + id, 'data')))
      const meant = ids.filter((_, index) => isOf(context, data[index] ?? ''))
      for (const id of meant) {
        const was = await (context.preview?.(lane, id) ?? forgetJob(context, lane, id))
        if (was !== 'gone' && !context.rows.has(id)) count[was] += 1
      }
    }
  }
  return count
}

async function forgetJob(
  context: ForgetJobsContext,
  lane: string,
  id: string,
): Promise<keyof ForgottenJobs | 'gone'> {
  const { finished, clock, redis, keys } = context
  for (let look = 0; look < LOOKS; look += 1) {
    if ((await finished.drop(lane, 'completed', [id])) > 0) return 'finished'
    if ((await finished.drop(lane, 'failed', [id])) > 0) return 'failed'
    const answer = await removeJob(context, lane, id, reason)
    if (answer === 'removed') return 'waiting'
    if (answer === 'settled') return 'finished'
    if ((await redis.exists(`${keys.bullPrefix}:${lane}:${id}`)) === 0) return 'gone'
    await clock.sleep(LOOK_AGAIN_MS)
  }
  return 'active'
}

function isOf({ isMeant }: ForgetJobsContext, data: string): boolean {
  try {
    const { a } = JSON.parse(data) as { a?: unknown }
    return typeof a === 'string' && isMeant(a)
  } catch {
    return false
  }
}
