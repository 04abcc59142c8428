// The whole path for a test: a sink, a queue and, on demand, a worker in this process, all under a fresh name.

import { Redis } from 'ioredis'
import { inject } from 'vitest'
import {
  DeliveryWorker,
  type DeliveryWorkerOptions,
  FluxMail,
  type LaneConfig,
  MailQueue,
} from '../../src/index.js'
import { openSink, type Sink, type SinkOptions } from '../../src/sink/sink.js'
import { freshName } from './fresh-name.js'

/** Retries after a twentieth of a second, so that a deferral is seen through within a test. */
const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 60_000 }
export const quickLanes: Record<string, LaneConfig> = {
  transactional: { retry, unknown: 'resend' },
  bulk: { retry, unknown: 'hold' },
}

export interface MailFlow extends AsyncDisposable {
  readonly name: string
  readonly redisUrl: string
  readonly sink: Sink
  readonly queue: MailQueue
  readonly mail: FluxMail
  /** Starts a worker in this process; it is closed with the flow. */
  work(options?: Partial<DeliveryWorkerOptions>): Promise<DeliveryWorker>
}

export async function openMailFlow(
  sinkOptions: SinkOptions = {},
  redisUrl: string = inject('redisUrl'),
): Promise<MailFlow> {
  const name = freshName()
  const sink = await openSink({ httpPort: false, ...sinkOptions })
  const queue = new MailQueue({ redis: redisUrl, name })
  const mail = new FluxMail({ host: '127.0.0.1', port: sink.smtpPort, sender: 'news@example.com' })
  const workers: DeliveryWorker[] = []
  return {
    name,
    redisUrl,
    sink,
    queue,
    mail,
    async work(options = {}) {
      const relays = { main: { host: '127.0.0.1', port: sink.smtpPort, finalReplyTimeoutMs: 5_000 } }
      const worker = new DeliveryWorker({
        redis: redisUrl,
        name,
        relays,
        lanes: quickLanes,
        logLevel: 'error',
        ...options,
      })
      workers.push(worker)
      await worker.start()
      return worker
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.close({ deadlineMs: 5_000 })))
      await Promise.all([queue.close(), mail.close(), sink.close()])
    },
  }
}

/** Numbered rows, each to an address of its own. */
export function rowsTo(
  count: number,
  address: (index: number) => string = (index) => `r${index}@example.com`,
) {
  return Array.from({ length: count }, (_, index) => ({ to: address(index), name: `Name ${index}` }))
}

/** A look into Redis itself. */
export function openRedis(flow: MailFlow): Redis & AsyncDisposable {
  const redis = new Redis(flow.redisUrl)
  return Object.assign(redis, { [Symbol.asyncDispose]: async () => redis.disconnect() })
}
