// A fleet on a bad day, under the eyes of a Prometheus: everything that a panel can show happens here, once at least.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from '../../../src/cli/free-port.js'
import { type Batch, FluxMail, MailQueue } from '../../../src/index.js'
import { eventually } from '../../helpers/eventually.js'
import { openPrometheus, type Prometheus } from '../../helpers/prometheus.js'
import { openRedisServer } from '../../helpers/redis-server.js'
import { startWorker } from '../../helpers/worker-process.js'
import { user } from '../../ingress/ingress-flow.js'
import { enqueueBatches, replayOne, standStill } from './batches.js'
import { configurationOf, openSinks, type Sinks } from './relays.js'
import { keepHandingIn, keepWriting } from './traffic.js'

export interface Stage extends AsyncDisposable {
  readonly prometheus: Prometheus
  readonly redisUrl: string
  readonly queue: MailQueue
  /** Seconds since 1970: of when there were faults of every kind. */
  readonly start: number
  readonly end: number
  /** Those that were not over at `end`. */
  readonly batches: readonly Batch[]
  /** Ends all batches, and the traffic beside them. */
  finish(): Promise<void>
}

export const SCRAPE_SECONDS = 1

const name = 'fluxmail'

/** What has to be in Prometheus before anybody looks, each as a query that gives something then. */
const signs = [
  'max(fluxmail_relay_circuit) == 2',
  'max(fluxmail_unknown) >= 1',
  'max(fluxmail_batch_paused) == 1',
  'max(fluxmail_batch_eta_seconds) > 0',
  'max(fluxmail_limit_slowed) == 1',
  'sum(rate(fluxmail_messages_failed_total[4s])) > 0',
  'sum(rate(fluxmail_throttled_seconds_total[4s])) > 0',
  'sum(rate(fluxmail_ingress_messages_total[4s])) > 0',
  'sum(fluxmail_resent_total) > 0',
  'sum(fluxmail_replayed_total) > 0',
  'sum(rate(fluxmail_failures_total[4s])) > 0',
  'sum(rate(fluxmail_smtp_connections_closed_total[4s])) > 0',
  'sum(rate(fluxmail_ingress_connections_refused_total[4s])) > 0',
  'sum(rate(fluxmail_ingress_logins_failed_total[4s])) > 0',
  'min(count_over_time(up[1m])) >= 20',
]

/** What ends last begins first. */
class Closing implements AsyncDisposable {
  readonly #things: AsyncDisposable[] = []

  add<T extends AsyncDisposable>(thing: T): T {
    this.#things.unshift(thing)
    return thing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const thing of this.#things.splice(0)) await thing[Symbol.asyncDispose]()
  }
}

/** Rejects, with everything closed again, when one of the signs does not come. */
export async function openStage(ruleFiles: readonly string[]): Promise<Stage> {
  const closing = new Closing()
  try {
    return await setStage(closing, ruleFiles)
  } catch (error) {
    await closing[Symbol.asyncDispose]()
    throw error
  }
}

async function setStage(closing: Closing, ruleFiles: readonly string[]): Promise<Stage> {
  const redis = closing.add(await openRedisServer({ args: ['--maxmemory', '256mb'] }))
  const redisUrl = `redis://127.0.0.1:${redis.port}`
  const sinks = closing.add(await openSinks())
  const env = { FLUXMAIL_REDIS_URL: redisUrl, FLUXMAIL_NAME: name, ...(await writeFiles(closing, sinks)) }
  const submission = await freePort()
  const ingress = closing.add(
    await startWorker({
      entry: resolve('dist/workers/ingress.js'),
      env: { ...env, FLUXMAIL_INGRESS_PORT: submission },
    }),
  )
  const queue = closing.add(new MailQueue({ redis: redisUrl, name }))
  const mail = closing.add(new FluxMail({ host: '127.0.0.1', sender: 'shop@example.com' }))
  const work = async () => closing.add(await startWorker({ env }))
  const first = await work()
  const targetsWith = (...ports: number[]) => ({
    'fluxmail-worker': ports.map((port) => `127.0.0.1:${port}`),
    'fluxmail-ingress': [`127.0.0.1:${ingress.httpPort}`],
  })
  const watch = { ruleFiles, everySeconds: SCRAPE_SECONDS, targets: targetsWith(first.httpPort) }
  const prometheus = closing.add(await openPrometheus(watch))
  const start = Date.now() / 1000
  const second = await standStill(first, work, { queue, mail, sink: sinks.main })
  await prometheus.setTargets(targetsWith(first.httpPort, second.httpPort))
  await prometheus.scraped()
  const traffic = [keepWriting(queue, mail), keepHandingIn(submission)].map((each) => closing.add(each))
  const batches = await enqueueBatches(queue)
  await replayOne(queue)
  for (const sign of signs) await seen(prometheus, sign)
  return {
    prometheus,
    redisUrl,
    queue,
    start,
    end: Date.now() / 1000,
    batches,
    async finish() {
      for (const each of traffic) await each[Symbol.asyncDispose]()
      await Promise.all(batches.map((batch) => batch.cancel()))
      await Promise.all(batches.map((batch) => batch.wait()))
    },
    [Symbol.asyncDispose]: () => closing[Symbol.asyncDispose](),
  }
}

async function writeFiles(closing: Closing, sinks: Sinks): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-panels-'))
  closing.add({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) })
  const [config, users] = [join(folder, 'config.json'), join(folder, 'users.json')]
  await writeFile(config, JSON.stringify(await configurationOf(sinks)))
  await writeFile(users, JSON.stringify([user]))
  return { FLUXMAIL_CONFIG: config, FLUXMAIL_INGRESS_USERS: users }
}

async function seen(prometheus: Prometheus, sign: string): Promise<void> {
  const times = { withinMs: 20_000, everyMs: 250 }
  await eventually(sign, async () => (await prometheus.query(sign)).length > 0, times)
}
