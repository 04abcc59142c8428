// A stage for one moment of one delivery: a sink that tells it, workers as processes that are stopped or killed in it,
// and a way to Redis that can be held, so that what a worker wants to record does not get there.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type Line, openLine } from '../../scripts/chaos/line.js'
import type { LaneConfig } from '../../src/index.js'
import type { SinkEvent, SinkOptions } from '../../src/sink/sink.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'
import { startWorker, type WorkerProcess } from '../helpers/worker-process.js'

export const lockMs = 1_000
export const finalReplyTimeoutMs = 2_000
/** As the whole process sees it, BullMQ included. */
const hourAhead = 'const now = Date.now; Date.now = () => now() + 3_600_000'

export const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

type Moment = SinkEvent['kind']

export interface Stage extends AsyncDisposable {
  readonly flow: MailFlow
  /** Between the first worker and Redis. */
  readonly toRedis: Line
  /**
   * Resolves at the first such moment, on that connection where one is named, after `act` was called in it: the client
   * has not heard of it yet.
   */
  at(moment: Moment, act?: () => void, connection?: number): Promise<SinkEvent>
  /** A worker that is like any other, or whose way to Redis is `toRedis`, or whose clock is an hour ahead. */
  work(kind?: 'held way' | 'hour ahead'): Promise<WorkerProcess>
}

export interface StageOptions {
  readonly unknown: LaneConfig['unknown']
  readonly sink?: SinkOptions
  /** Default 60 000. */
  readonly maxAgeMs?: number
  /** Of the workers; a worker that was stopped for longer gives up a reply that it has not read. */
  readonly replyTimeoutMs?: number
  /** Where the workers find the relay, given the sink's port; default there. */
  relayPort?(sinkPort: number): Promise<number>
}

export async function openStage(options: StageOptions): Promise<Stage> {
  const { sink = {}, relayPort = async (port: number) => port } = options
  const waiting = new Set<{ moment: Moment; connection?: number | undefined; tell(event: SinkEvent): void }>()
  const witness = (event: SinkEvent) => {
    for (const each of [...waiting]) {
      const elsewhere = each.connection !== undefined && each.connection !== event.connection
      if (each.moment === event.kind && !elsewhere) each.tell(event)
    }
  }
  const flow = await openMailFlow({ ...sink, witness })
  const redisUrl = new URL(inject('redisUrl'))
  const toRedis = await openLine(Number(redisUrl.port))
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const config = join(folder, 'worker.json')
  await writeFile(config, JSON.stringify(configOf(await relayPort(flow.sink.smtpPort), options)))
  redisUrl.port = String(toRedis.port)
  const base = { FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config }
  const oddities = {
    'held way': { FLUXMAIL_REDIS_URL: redisUrl.href },
    'hour ahead': { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hourAhead)}` },
  }
  return {
    flow,
    toRedis,
    at: (moment, act = () => undefined, connection) =>
      new Promise((resolve) => {
        const waiter = {
          moment,
          connection,
          tell(event: SinkEvent) {
            waiting.delete(waiter)
            act()
            resolve(event)
          },
        }
        waiting.add(waiter)
      }),
    work: (kind) => startWorker({ env: { ...base, ...(kind && oddities[kind]) } }),
    async [Symbol.asyncDispose]() {
      await toRedis[Symbol.asyncDispose]()
      await flow[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Resolves when the worker has read the 250 and cannot tell Redis of it; `act` is done at that moment. */
export async function readUnheard({ at, toRedis }: Stage, act?: () => unknown): Promise<void> {
  const { connection } = await at('answered', () => {
    toRedis.stalled = true
  })
  await at('closed', act, connection)
}

/** Each connection carries one message, so that QUIT says that the reply to it was read. */
function configOf(port: number, options: StageOptions) {
  const { unknown, maxAgeMs = 60_000, replyTimeoutMs = finalReplyTimeoutMs } = options
  const retry = { delaysMs: [50], jitter: 0, maxAgeMs }
  return {
    relays: {
      main: { host: '127.0.0.1', port, finalReplyTimeoutMs: replyTimeoutMs, maxMessagesPerConnection: 1 },
    },
    lanes: { bulk: { retry, unknown } },
    lockMs,
  }
}

/** Every Message-ID that the sink has seen, each once. */
export function messageIds({ sink }: MailFlow): string[] {
  const ids = sink.messages.map(({ bytes }) => /^Message-ID: (.*)$/im.exec(bytes.toString())?.[1] ?? '')
  return [...new Set(ids)]
}
