// One run: everything is started, the nemesis has its time, all is healed and drained, and the evidence is gathered.
// It never judges; that is the checker's.

import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MailQueue } from '../../src/index.js'
import { type Child, startChild } from './child.js'
import type { Evidence } from './evidence.js'
import { Fleet } from './fleet.js'
import { openLine } from './line.js'
import { attack, type Deed } from './nemesis.js'
import { type ActionKind, actionKinds, planOf } from './plan.js'
import { type ReceiptLine, readRecord, type SinkLine } from './records.js'
import { openChaosRedis } from './redis.js'
import { type ChaosOptions, type PolicyChoice, policyOf } from './settings.js'

export interface Run {
  readonly evidence: Evidence
  readonly deeds: readonly Deed[]
  /** Where the records and the logs of all processes are. */
  readonly folder: string
  readonly drainMs: number
  readonly workers: number
}

export interface RunHooks {
  deed(deed: Deed): void
  phase(text: string): void
}

const DRAIN_MS = 120_000
const LOOK_MS = 250

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export async function runChaos(options: ChaosOptions, hooks: RunHooks, signal: AbortSignal): Promise<Run> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'fluxmail-chaos-')))
  const data = join(folder, 'redis')
  await mkdir(data, { recursive: true })
  const { seed, policy } = options
  const name = `chaos-${seed}-${process.pid}`
  await using redis = await openChaosRedis(options.redis, data)
  await using sink = await startPart('sink', folder, [join(folder, 'sink.jsonl')])
  const { port } = (await sink.child.message()) as { port: number }
  await using line = await openLine(port)
  const receipts = join(folder, 'receipts.jsonl')
  const generated = { redis: redis.url, name, seed, path: receipts }
  await using generator = await startPart('generator', folder, [JSON.stringify(generated)])
  const fleet = new Fleet({ folder, redisUrl: redis.url, name, relayPort: line.port, policy })
  await using _fleet = fleet
  await generator.child.message()

  const runMs = options.minutes * 60_000
  const plan = options.calm ? [] : planOf(seed, runMs, chosen(options.only))
  const [deeds] = await Promise.all([
    attack({ fleet, line, redis, sink: sink.child }, plan, seed, hooks.deed, signal),
    endOf(runMs, signal),
  ])
  signal.throwIfAborted()
  hooks.phase('healed; the generator stops and everything is drained')
  generator.child.send({ stop: true })
  await generator.child.ended
  await using queue = new MailQueue({ redis: redis.url, name })
  const drainMs = await drain(queue, signal)
  const ends = await endsOf(queue, readRecord(receipts))
  const evidence: Evidence = {
    receipts: readRecord<ReceiptLine>(receipts),
    sink: readRecord<SinkLine>(join(folder, 'sink.jsonl')),
    ends,
    counts: await queue.status(),
    policies: policiesOf(policy),
    surprises: fleet.surprises,
  }
  return { evidence, deeds, folder, drainMs, workers: fleet.started }
}

export function policiesOf(policy: PolicyChoice): Evidence['policies'] {
  return { transactional: policyOf('transactional', policy), bulk: policyOf('bulk', policy) }
}

function chosen(only: readonly string[] | undefined): readonly ActionKind[] {
  return only === undefined ? actionKinds : actionKinds.filter((kind) => only.includes(kind))
}

interface Part extends AsyncDisposable {
  readonly child: Child
}

async function startPart(name: string, folder: string, args: readonly string[]): Promise<Part> {
  const own = fileURLToPath(import.meta.url)
  const entry = own.replace(/run(\.\w+)$/, `${name}-process$1`)
  const child = startChild({ name, entry, folder, args })
  return { child, [Symbol.asyncDispose]: () => child.kill() }
}

async function endOf(ms: number, signal: AbortSignal): Promise<void> {
  const endsAt = performance.now() + ms
  while (performance.now() < endsAt && !signal.aborted) await pause(Math.min(LOOK_MS, ms))
}

/** Resolves when nothing is owed any more, or when that has taken too long; to how long it took. */
async function drain(queue: MailQueue, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    signal.throwIfAborted()
    const tookMs = performance.now() - startedAt
    const status = await queue.status()
    const owed = status.reduce((sum, { pending, active }) => sum + pending + active, 0)
    if (owed === 0 || tookMs > DRAIN_MS) return tookMs
    await pause(LOOK_MS)
  }
}

async function endsOf(queue: MailQueue, receipts: readonly ReceiptLine[]): Promise<Map<string, string>> {
  const ends = new Map<string, string>()
  for (const line of receipts) {
    if (line.kind !== 'acknowledged') continue
    for (const { id } of line.deliveries) {
      const record = await queue.delivery(id).catch(() => undefined)
      if (record) ends.set(id, record.state)
    }
  }
  return ends
}
