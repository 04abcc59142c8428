// The two worker processes and their successors: whatever ends one, another takes its place.
// It notes each that ended without being told to; no nemesis may excuse that.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/cli/package-root.js'
import { type Child, startChild } from './child.js'
import { type PolicyChoice, workerConfig } from './settings.js'

export interface FleetOptions {
  readonly folder: string
  readonly redisUrl: string
  readonly name: string
  readonly relayPort: number
  readonly policy: PolicyChoice
}

const DRAIN_SECONDS = 2
const STOP_MS = 12_000
const workersAtOnce = 2

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export class Fleet implements AsyncDisposable {
  readonly #options: FleetOptions
  readonly #workers: Child[] = []
  readonly #expected = new Set<Child>()
  /** Workers that ended by themselves, and how. */
  readonly surprises: string[] = []
  /** Workers started so far. */
  started = 0
  #closing = false

  constructor(options: FleetOptions) {
    this.#options = options
    for (let slot = 0; slot < workersAtOnce; slot += 1) this.#start(slot)
  }

  /** kill -9; a successor comes after `downMs`. */
  async kill(slot: number, downMs: number): Promise<void> {
    await this.#replace(slot, downMs, (worker) => worker.kill())
  }

  /** SIGTERM; a successor comes `downMs` after its end. */
  async stop(slot: number, downMs: number): Promise<void> {
    await this.#replace(slot, downMs, (worker) => this.#end(worker))
  }

  /** SIGSTOP, and SIGCONT after `ms`. */
  async freeze(slot: number, ms: number): Promise<void> {
    const worker = this.#workers[slot]
    worker?.signal('SIGSTOP')
    await pause(ms)
    if (worker?.running) worker.signal('SIGCONT')
  }

  /** SIGTERM to all, without successors. */
  async close(): Promise<void> {
    this.#closing = true
    for (const worker of this.#workers) this.#expected.add(worker)
    await Promise.all(this.#workers.map((worker) => this.#end(worker)))
  }

  /** kill -9 to whatever is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    for (const worker of this.#workers) this.#expected.add(worker)
    await Promise.all(this.#workers.map((worker) => worker.kill()))
  }

  async #end(worker: Child): Promise<void> {
    worker.signal('SIGCONT')
    worker.signal('SIGTERM')
    const inTime = await Promise.race([worker.ended, pause(STOP_MS).then(() => undefined)])
    if (inTime !== undefined) return
    this.surprises.push(`${worker.name} was still there ${STOP_MS / 1000} s after SIGTERM`)
    await worker.kill()
  }

  async #replace(slot: number, downMs: number, end: (worker: Child) => Promise<void>): Promise<void> {
    const worker = this.#workers[slot]
    if (worker === undefined) return
    this.#expected.add(worker)
    await end(worker)
    await pause(downMs)
    this.#start(slot)
  }

  #start(slot: number): void {
    if (this.#closing) return
    this.started += 1
    const { folder, redisUrl, name, relayPort, policy } = this.#options
    const workerName = `w${slot}-${this.started}`
    const config = join(folder, `${workerName}.json`)
    writeFileSync(config, JSON.stringify(workerConfig(workerName, relayPort, policy, slot % 2 === 1)))
    const env = {
      FLUXMAIL_REDIS_URL: redisUrl,
      FLUXMAIL_NAME: name,
      FLUXMAIL_CONFIG: config,
      FLUXMAIL_HTTP_PORT: '0',
      FLUXMAIL_DRAIN_SECONDS: String(DRAIN_SECONDS),
      FLUXMAIL_LOG_LEVEL: 'info',
    }
    const worker = startChild({ name: workerName, entry: workerEntry(), folder, env, plain: true })
    this.#workers[slot] = worker
    void worker.ended.then((how) => this.#onEnd(slot, worker, how))
  }

  #onEnd(slot: number, worker: Child, how: string): void {
    if (this.#expected.has(worker)) return
    this.surprises.push(`${worker.name} ended by itself (${how})`)
    this.#start(slot)
  }
}

function workerEntry(): string {
  const entry = join(packageRoot(), 'dist', 'workers', 'deliver.js')
  if (existsSync(entry)) return entry
  throw new Error(`there is no ${entry}: build it with npm run build`)
}
