// One run: everything is started, the nemesis has its time, all is healed and drained, and the evidence is gathered.
// It never judges; that is the checker's.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MailQueue } from '../../src/index.js'
import { type Child, startChild } from './child.js'
import type { Evidence } from './evidence.js'
import { Fleet } from './fleet.js'
import { openLine } from './line.js'
import { openListener } from './listener.js'
import { attack, type Deed } from './nemesis.js'
import { type ActionKind, actionKinds, planOf } from './plan.js'
import { type ReceiptLine, readRecord, type SinkLine, type Word } from './records.js'
import { openChaosRedis } from './redis.js'
import { type ChaosOptions, type PolicyChoice, policyOf } from './settings.js'

export interface Run {
  readonly evidence: Evidence
  readonly deeds: readonly Deed[]
  readonly drainMs: number
  readonly workers: number
}

export interface RunHooks {
  deed(deed: Deed): void
  phase(text: string): void
}

const DRAIN_MS = 120_000
const LOOK_MS = 250

export async function runChaos(options: ChaosOptions, hooks: RunHooks, signal: AbortSignal): Promise<Run> {
  const startedAt = Date.now()
  const { seed, policy, folder } = options
  const data = join(folder, 'redis')
  await mkdir(data, { recursive: true })
  const paths = pathsIn(folder)
  const name = `chaos-${seed}-${process.pid}`
  await using redis = await openChaosRedis(options.redis, data)
  await using listener = await openListener({ redis: redis.url, name, path: paths.words })
  await using sink = startPart('sink', folder, [paths.sink])
  const { port } = (await sink.child.message()) as { port: number }
  await using line = await openLine(port)
  const generated = { redis: redis.url, name, seed, path: paths.receipts }
  await using generator = startPart('generator', folder, [JSON.stringify(generated)])
  await using fleet = new Fleet({ folder, redisUrl: redis.url, name, relayPort: line.port, policy })
  await generator.child.message()
  const unless = guard([sink.child, generator.child], signal)

  const runMs = options.minutes * 60_000
  const plan = options.calm ? [] : planOf(seed, runMs, chosen(options.only))
  const field = { fleet, line, redis, sink: sink.child, generator: generator.child }
  const attacked = Promise.all([attack(field, plan, seed, hooks.deed, signal), pause(runMs)])
  const [deeds] = await unless(attacked)
  hooks.phase('healed; the generator stops and everything is drained')
  generator.child.send({ stop: true })
  await unless(generator.child.ended)
  await using queue = new MailQueue({ redis: redis.url, name })
  const drainMs = await unless(drain(queue))
  // A late verdict may still change what was said and counted, until the last worker has ended.
  await unless(fleet.close())
  await unless(listener.heardAll())
  const receipts = readRecord<ReceiptLine>(paths.receipts)
  const claims = { counts: await queue.status(), batches: await batchesOf(queue, receipts) }
  await writeFile(paths.claims, JSON.stringify(claims, null, 1))
  const evidence: Evidence = {
    receipts,
    ...claims,
    sink: readRecord<SinkLine>(paths.sink),
    words: readRecord<Word>(paths.words),
    states: await statesOf(queue, receipts),
    policies: policiesOf(policy),
    surprises: fleet.surprises,
    startedAt,
  }
  return { evidence, deeds, drainMs, workers: fleet.started }
}

function pathsIn(folder: string) {
  const path = (name: string) => join(folder, `${name}.jsonl`)
  const claims = join(folder, 'claims.json')
  return { receipts: path('receipts'), sink: path('sink'), words: path('words'), claims }
}

function policiesOf(policy: PolicyChoice): Evidence['policies'] {
  return { transactional: policyOf('transactional', policy), bulk: policyOf('bulk', policy) }
}

function chosen(only: readonly string[] | undefined): readonly ActionKind[] {
  return only === undefined ? actionKinds : actionKinds.filter((kind) => only.includes(kind))
}

interface Part extends AsyncDisposable {
  readonly child: Child
}

function startPart(name: string, folder: string, args: readonly string[]): Part {
  const own = fileURLToPath(import.meta.url)
  const entry = own.replace(/run(\.\w+)$/, `${name}-process$1`)
  const child = startChild({ name, entry, folder, args })
  return { child, [Symbol.asyncDispose]: () => child.kill() }
}

/** Lets work go on only while the parts of the run do, and while nobody has stopped it. */
function guard(parts: readonly Child[], signal: AbortSignal) {
  const untimely = parts.map(({ name, ended }) =>
    ended.then((how) => {
      if (how !== '0') throw new Error(`the ${name} of the run ended (${how}): see ${name}.log`)
      return new Promise<never>(() => undefined)
    }),
  )
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (signal.aborted) reject(signal.reason)
  })
  const failing = Promise.race([...untimely, stopped])
  // Nobody may be waiting when it comes.
  failing.catch(() => undefined)
  return <T>(work: Promise<T>): Promise<T> => Promise.race([work, failing])
}

/** Resolves when nothing is owed any more, or when that has taken too long; to how long it took. */
async function drain(queue: MailQueue): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    const tookMs = performance.now() - startedAt
    const status = await queue.status()
    const owed = status.reduce((sum, { pending, active }) => sum + pending + active, 0)
    if (owed === 0 || tookMs > DRAIN_MS) return tookMs
    await pause(LOOK_MS)
  }
}

/** Of the deliveries whose jobs are kept: a lane keeps its last 5,000. */
async function statesOf(queue: MailQueue, receipts: readonly ReceiptLine[]): Promise<Map<string, string>> {
  const states = new Map<string, string>()
  for (const line of receipts) {
    if (line.kind !== 'acknowledged') continue
    for (const { id } of line.deliveries) {
      const record = await queue.delivery(id).catch(() => undefined)
      if (record) states.set(id, record.state)
    }
  }
  return states
}

async function batchesOf(queue: MailQueue, receipts: readonly ReceiptLine[]): Promise<Evidence['batches']> {
  const ids = receipts.flatMap((line) =>
    line.kind === 'acknowledged' && line.batch !== undefined ? [line.batch] : [],
  )
  return Promise.all(ids.map((id) => queue.batch(id).status()))
}
