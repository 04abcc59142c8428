// A BullMQ worker that waits when Redis refuses to give it a job. BullMQ asks again at once, thousands of times a second.
// Jobs that finish meanwhile fetch the next one with the same command, which frees memory; that ends the wait.

import { type Job, type JobJson, type Processor, Worker, type WorkerOptions } from 'bullmq'
import type { Clock } from '../clock.js'
import { isRefusal } from '../redis.js'
import type { JobResult } from './delivery-record.js'
import { readable } from './readable-job.js'

const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 2_000

type DeliveryJob = Job<unknown, JobResult>

export class PatientWorker extends Worker<unknown, JobResult> {
  readonly #clock: Clock
  /** Those that are under way. */
  readonly #waits = new Set<AbortController>()
  #refusals = 0

  constructor(
    lane: string,
    processor: Processor<unknown, JobResult>,
    options: WorkerOptions & { clock: Clock },
  ) {
    const { clock, ...own } = options
    super(lane, processor, { ...own, autorun: false })
    this.#clock = clock
  }

  protected override async moveToActive(token: string, name?: string): Promise<DeliveryJob> {
    try {
      const job = await super.moveToActive(token, name)
      this.#refusals = 0
      return job
    } catch (error) {
      if (isRefusal(error)) await this.#wait()
      throw error
    }
  }

  protected override nextJobFromJobData(data?: JobJson, id?: string, token?: string): Promise<DeliveryJob> {
    if (data) this.wake()
    return super.nextJobFromJobData(data, id, token)
  }

  /** A job whose data is not JSON would be given back for ever: BullMQ throws while it reads it. */
  protected override createJob(data: JobJson, id: string): DeliveryJob {
    return readable(data, (json) => super.createJob(json, id) as DeliveryJob)
  }

  /** Takes no more jobs for good. */
  override pause(doNotWaitActive?: boolean): Promise<void> {
    // BullMQ connects anew once it has paused, also when it was closed meanwhile: nobody would end that connection.
    this.backend.reconnectBlocking = async () => undefined
    return super.pause(doNotWaitActive)
  }

  /** Ends the waits that are under way. */
  wake(): void {
    for (const wait of this.#waits) wait.abort()
  }

  async #wait(): Promise<void> {
    const ms = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#refusals)
    this.#refusals += 1
    const wait = new AbortController()
    this.#waits.add(wait)
    try {
      await this.#clock.sleep(ms, wait.signal)
    } finally {
      this.#waits.delete(wait)
    }
  }
}
