// DeliveryWorker: the way out. It wires queue, attempt, SMTP, ledger and telemetry together and holds no rule itself.

import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { type Clock, parseClock } from './clock.js'
import { parseConfig, type WorkerConfig, type WorkerConfigInput, workerSchema } from './config.js'
import { runAttempt } from './delivery/attempt.js'
import { type Attempt, type Delivery, isSettled, type Ports } from './delivery/delivery.js'
import type { Outcome } from './delivery/outcome.js'
import { createPorts } from './delivery-ports.js'
import { FluxMailError, guarded, messageOf } from './errors.js'
import { workerFacts } from './ops/doctor-facts.js'
import { checkAtStart } from './ops/start-check.js'
import { createPermits, type Permits } from './permits.js'
import { type Consumer, createConsumer } from './queue/consume.js'
import { createFleetReader } from './queue/fleet.js'
import { type Keepers, startKeepers } from './queue/keepers.js'
import { isDeliveryId, splitId } from './queue/payload.js'
import { releaseFiles } from './queue/release-files.js'
import {
  checkName,
  defaultName,
  defaultRedisUrl,
  type Redis,
  type RedisTarget,
  ready,
  unavailable,
} from './redis.js'
import { createPulse, type Pulse } from './redis-pulse.js'
import { createFinishedVerdicts, type FinishedVerdicts } from './store/finished-verdicts.js'
import { createHeartbeat, type Heartbeat, heartbeatFacts } from './store/workers.js'
import { faults } from './telemetry/circuit-report.js'
import { type Complain, createComplaints } from './telemetry/complaints.js'
import { createDeliveryReport, type DeliveryReport } from './telemetry/delivery-report.js'
import { beginCounters } from './telemetry/first-values.js'
import { measureFleet } from './telemetry/fleet-report.js'
import { createLogger, errorFields, type Logger, type LogLevel, parseLogger } from './telemetry/log.js'
import { createMetrics, type Metrics } from './telemetry/metrics.js'
import { openProcessReport, type ProcessReport } from './telemetry/process-report.js'
import { measureRedisReach } from './telemetry/redis-report.js'
import { within } from './within.js'
import { openWorkerShards, type WorkerShards } from './worker-shards.js'

export interface DeliveryWorkerOptions extends WorkerConfigInput {
  /** Where Redis is, as a URL or as options; default `redis://127.0.0.1:6379`. */
  redis?: RedisTarget | undefined
  /** What our keys in Redis begin with; default `fluxmail`. */
  name?: string | undefined
  /** Default: JSON lines on standard output from `logLevel` on. */
  logger?: Logger | undefined
  /** Default `warn`. */
  logLevel?: LogLevel | undefined
  clock?: Clock | undefined
}

/** The options that are not those of the configuration. */
const ownOptions = ['redis', 'name', 'logger', 'logLevel', 'clock'] as const

export interface CloseOptions {
  /** How long to wait for what is on the wire; default 30 000. */
  deadlineMs?: number | undefined
}

const DEFAULT_DEADLINE_MS = 30_000
const CLOSED_EARLY = 'the DeliveryWorker was closed before it took anything'
const REACH_AGAIN_MS = 200
/** How long Redis has to take back what the others can use at once. */
const GIVE_BACK_MS = 1_000
/** How long outcomes have to be recorded once the connections behind them were cut off. */
const CUT_OFF_MS = 2_000

/** Takes deliveries out of Redis and hands them to relays until it is closed. */
export class DeliveryWorker {
  readonly #id = randomUUID()
  readonly #config: WorkerConfig
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #shards: WorkerShards
  readonly #permits: Permits
  readonly #ports: Ports
  readonly #complain: Complain
  readonly #stopping = new AbortController()
  readonly #cut = new AbortController()
  readonly #gone = new AbortController()
  readonly #metrics: Metrics
  readonly #report: DeliveryReport
  #consumers: Consumer[] = []
  #keepers: readonly Keepers[] = []
  #pulse: Pulse | undefined
  #process: ProcessReport | undefined
  #heartbeat: Heartbeat | undefined
  #finished: FinishedVerdicts | undefined
  #attempts = 0
  #closed: Promise<void> | undefined
  #state: 'new' | 'running' | 'closing' | 'closed' = 'new'

  /** @throws FluxMailError `invalid_config` */
  constructor(options: DeliveryWorkerOptions) {
    if (typeof options !== 'object' || options === null) {
      throw new FluxMailError('invalid_config', 'new DeliveryWorker({ redis, relays }) needs options')
    }
    const {
      redis = defaultRedisUrl,
      name = defaultName,
      logger,
      logLevel,
      clock: givenClock,
      ...config
    } = guarded('invalid_config', 'the options of DeliveryWorker', () => ({ ...options }))
    const clock = parseClock(givenClock)
    this.#config = parseConfig(workerSchema, config, 'the configuration of the worker', ownOptions)
    this.#clock = clock
    this.#logger = logger === undefined ? createLogger(logLevel) : parseLogger(logger)
    this.#complain = createComplaints(this.#logger, clock)
    this.#report = createDeliveryReport({
      clock,
      logger: this.#logger,
      logAddresses: this.#config.logAddresses,
      metrics: () => this.#metrics,
      providerOf: (address) => this.#permits.providerOf(address),
    })
    this.#shards = openWorkerShards({
      redis,
      name: checkName(name),
      config: this.#config,
      clock,
      onError: (error) => this.#onRedisError(error),
      rendered: (lane, seconds) => this.#report.rendered(lane, seconds),
      notCarried: (error) => this.#complain(error, 'a bounce could not be told to all shards and will be'),
    })
    const { ledgerRedis, keys } = this.#shards.first
    this.#permits = createPermits({
      config: this.#config,
      redis: ledgerRedis,
      keys,
      clock,
      logger: this.#logger,
      workerId: this.#id,
      metrics: () => this.#metrics,
      failed: (error) => this.#complain(error, 'the circuits and the limits of the relays'),
    })
    this.#metrics = this.#openMetrics()
    this.#ports = createPorts({
      config: this.#config,
      clock,
      ledger: this.#shards.ledger,
      render: this.#shards.render,
      permits: this.#permits,
      cutOff: this.#cut.signal,
      gone: this.#gone.signal,
      complain: this.#complain,
    })
    // Every delivery that waits listens to the same signals.
    setMaxListeners(0, this.#stopping.signal, this.#gone.signal)
  }

  /** The metrics of this worker, in Prometheus' text format and as what they are declared. */
  get metrics(): Pick<Metrics, 'expose' | 'contentType'> {
    return this.#metrics
  }

  /** Whether jobs are being taken: started, not closing, Redis there, and no lane stuck. */
  get isReady(): boolean {
    if (this.#state !== 'running' || this.#pulse?.isAlive !== true) return false
    return this.#consumers.length > 0 && !this.#consumers.some((consumer) => consumer.isStuck)
  }

  /**
   * Begins to take jobs, as soon as Redis is there.
   *
   * @throws FluxMailError `closed` when it was closed or had been started, `invalid_config` for a Redis that evicts
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new FluxMailError('closed', 'a DeliveryWorker can be started once')
    this.#state = 'running'
    this.#process = openProcessReport('worker', this.#clock)
    const notCleared = (error: unknown) =>
      this.#logger.debug({ reason: messageOf(error) }, 'verdicts were not cleared')
    const ledgerOf = (lane: string) => this.#shards.of(lane).ledger
    this.#finished = createFinishedVerdicts(ledgerOf, this.#clock, notCleared)
    const connections = this.#shards.all.flatMap(({ redis, ledgerRedis }) => [redis, ledgerRedis])
    await this.#reach(...connections)
    await this.#examine()
    await this.#permits.start()
    this.#pulse = createPulse({
      connections,
      clock: this.#clock,
      lockMs: this.#config.lockMs,
      onBlocked: (ms) => this.#logger.warn({ ms: Math.round(ms) }, 'this process stood still'),
    })
    this.#heartbeat = createHeartbeat({
      redis: this.#shards.first.ledgerRedis,
      keys: this.#shards.first.keys,
      clock: this.#clock,
      id: this.#id,
      facts: heartbeatFacts(this.#config),
      holdings: this.#permits,
    })
    this.#consumers = Object.keys(this.#config.lanes).map((lane) => this.#consume(lane))
    await Promise.all(this.#consumers.map((consumer) => consumer.ready()))
    if (this.#state === 'running') this.#keep()
  }

  /**
   * Stops taking jobs, lets what is on the wire finish, puts the rest back unspent. What is on the wire at the
   * deadline is cut off: before the final dot it goes back, after it it is `unknown`.
   */
  close({ deadlineMs = DEFAULT_DEADLINE_MS }: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(Number.isNaN(deadlineMs) ? DEFAULT_DEADLINE_MS : deadlineMs)
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#state = 'closing'
    const stopped = Promise.all([
      ...this.#consumers.map((consumer) => consumer.stop()),
      ...this.#keepers.map((keepers) => keepers.stop()),
    ])
    this.#stopping.abort()
    this.#permits.stop()
    const waitMs = this.#isWaitingInVain() ? 0 : deadlineMs
    const inTime = (await this.#within(stopped, waitMs)) || (await this.#cutOff(stopped))
    this.#finished?.stop()
    this.#pulse?.stop()
    this.#process?.stop()
    await Promise.all(this.#consumers.map((consumer) => consumer.close(!inTime)))
    // A Redis that hangs would keep them for ever.
    const lastWords = inTime ? [this.#heartbeat?.stop(), this.#finished?.forget()] : []
    const closed = this.#keepers.map((keepers) => keepers.close())
    await this.#within(Promise.all([...closed, ...lastWords]), CUT_OFF_MS)
    this.#gone.abort()
    if (!inTime) this.#permits.drop()
    await this.#within(this.#permits.close(), GIVE_BACK_MS)
    for (const shard of this.#shards.all) shard.disconnect()
    this.#state = 'closed'
  }

  /** Without Redis nothing new comes, and BullMQ would wait for its answer for as long as it is away. */
  #isWaitingInVain(): boolean {
    return this.#pulse?.isAlive !== true && !this.#consumers.some(({ active }) => active > 0)
  }

  #openMetrics(): Metrics {
    const [lanes, relays] = [Object.keys(this.#config.lanes), Object.keys(this.#config.relays)]
    const fleet = createFleetReader({ lanes, relays, clock: this.#clock, shards: this.#shards })
    const opened = createMetrics(async (metrics) => {
      this.#process?.measure(metrics)
      this.#report.measure(this.#consumers)
      this.#permits.measure(metrics)
      const { isAlive = false, roundTripMs } = this.#pulse ?? {}
      measureRedisReach(isAlive, roundTripMs, metrics)
      measureFleet(isAlive ? await fleet() : undefined, metrics)
    })
    beginCounters(opened, { lane: lanes, relay: relays, fault: faults })
    return opened
  }

  /** A Redis that would lose mail in silence is refused before anything is taken out of it. */
  async #examine(): Promise<void> {
    try {
      for (const { redis } of this.#shards.all)
        await checkAtStart(redis, this.#clock, workerFacts(this.#config), this.#logger)
      await this.#shards.agree()
    } catch (error) {
      await this.close()
      throw unavailable(error)
    }
    if (this.#stopping.signal.aborted) throw new FluxMailError('closed', CLOSED_EARLY)
  }

  /** Waits for Redis for as long as it takes. */
  async #reach(...connections: readonly Redis[]): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await Promise.all(connections.map(ready))
        return
      } catch (error) {
        this.#complain(error, 'redis')
        await this.#clock.sleep(REACH_AGAIN_MS, signal)
      }
    }
    throw new FluxMailError('closed', CLOSED_EARLY)
  }

  /** Hangs up on every relay, and gives the outcomes that follow from it a moment to be recorded. */
  #cutOff(stopped: Promise<unknown>): Promise<boolean> {
    this.#cut.abort()
    this.#permits.drop()
    return this.#within(stopped, CUT_OFF_MS)
  }

  /** Whether it was done in time. */
  #within(work: Promise<unknown>, ms: number): Promise<boolean> {
    return within(work, ms, this.#clock).then(
      (done) => done !== undefined,
      () => false,
    )
  }

  #consume(lane: string): Consumer {
    const rule = this.#config.lanes[lane]
    if (rule === undefined) throw new TypeError(`there is no lane ${lane}`)
    const { redis, keys } = this.#shards.of(lane)
    return createConsumer({
      redis,
      keys,
      lane,
      concurrency: this.#config.concurrency,
      lockMs: this.#config.lockMs,
      retry: rule.retry,
      clock: this.#clock,
      providerOf: (address) => this.#permits.providerOf(address),
      attempt: (delivery, token) => this.#attempt(delivery, token),
      onUnreadable: (unreadableLane, id, error) => this.#refuse(unreadableLane, id, error),
      onReplayed: (replayedLane) => this.#report.replayed(replayedLane),
      onStalled: (stalledLane) => this.#report.stalled(stalledLane),
      onFinished: (id, keptSeconds) => this.#finished?.add(lane, id, keptSeconds),
      onRebuilt: (rebuiltLane) => this.#logger.warn({ lane: rebuiltLane }, 'jobs waited and none was taken'),
      onError: (error) => this.#onRedisError(error),
    })
  }

  #keep(): void {
    this.#keepers = this.#shards.all.map(({ redis, keys, lanes, carry }) =>
      startKeepers({
        ...{ redis, keys, lanes, carry },
        retention: this.#config.retention,
        clock: this.#clock,
        providerOf: (address) => this.#permits.providerOf(address),
        isOpen: (gate, lane) => this.#permits.isOpen(gate, lane),
        onError: (error, what) => this.#complain(error, what),
      }),
    )
  }

  async #attempt(delivery: Delivery, lock: string): Promise<Attempt & { readonly outcome: Outcome }> {
    const startedAt = this.#clock.monotonicMs()
    // The lock may have been that of an earlier attempt at the same delivery.
    this.#attempts += 1
    const token = `${lock}#${this.#attempts}`
    this.#heartbeat?.took(delivery.lane)
    const attempt = await runAttempt({ delivery, token, ports: this.#ports, signal: this.#stopping.signal })
    const durationMs = this.#clock.monotonicMs() - startedAt
    if (isSettled(attempt.outcome.kind)) this.#heartbeat?.settled(delivery.lane)
    const { contents } = this.#shards.of(delivery.lane)
    if (delivery.attachments)
      await releaseFiles(contents, attempt).catch((error: Error) => this.#onRedisError(error))
    this.#report.attempt(attempt, durationMs)
    return attempt
  }

  /** A delivery whose job cannot be read is counted as failed, so that nothing that was accepted goes missing. */
  async #refuse(lane: string, id: string, error: unknown): Promise<void> {
    const code = error instanceof FluxMailError ? error.code : 'invalid_payload'
    this.#logger.error({ delivery: id, lane, outcome: 'failed', ...errorFields(error) }, 'unreadable job')
    // Under another id nothing was ever accepted, so nothing is to be counted.
    if (!isDeliveryId(id)) return
    // Whether it is a row of a batch can only be told by its id.
    const row = splitId(id)
    const { batches, ledger } = this.#shards.of(lane)
    const batch = (await batches.read(row.id)) ? { batch: row } : {}
    const verdict = { outcome: 'failed', code, message: messageOf(error) } as const
    const recorded = await ledger.record({ id, lane, contentHash: '', ...batch }, verdict)
    if (recorded.kind === 'counted') this.#report.unreadable(lane, code)
  }

  #onRedisError(error: Error): void {
    this.#complain(error, 'redis')
  }
}
