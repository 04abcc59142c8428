// Erases what is kept about one address: rows and jobs, failures, outcomes, receipts, holds of it as a sender.
// Counts stay as they are: numbers name nobody. What it leaves it reports.

import { z } from 'zod'
import type { Clock } from '../clock.js'
import { readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import { parseMailbox } from '../message/address.js'
import type { Keys, Redis } from '../redis.js'
import { createForgetStore, type ForgetStore } from '../store/forget.js'
import type { Ledger } from '../store/ledger.js'
import { createRetentionStore } from '../store/retention.js'
import { createSuppressionStore, forgottenField, suppressionFields } from '../store/suppressions.js'
import { createFinishedJobs } from './finished-jobs.js'
import { forgetJobs } from './forget-jobs.js'
import { createPreviewStore, whereJobIs } from './forget-preview.js'
import { forgetRows } from './forget-rows.js'
import type { LaneQueues } from './lane-queues.js'
import { scan } from './scan.js'

export interface ForgetOptions {
  /** Also keep a digest of the address, so that nothing is sent to it again. Default: false. */
  suppress?: boolean | undefined
  /** Counts what would be erased, and changes nothing. Default: false. */
  dryRun?: boolean | undefined
}

/** How much was erased, of each kind, and what was left. */
export interface Forgotten {
  /** Rows that waited in chunks; their deliveries are skipped as `forgotten`. */
  readonly rows: number
  /** Deliveries that waited as jobs, scheduled and deferred ones too; skipped as `forgotten`. */
  readonly waiting: number
  /** Deliveries that had been sent or skipped. */
  readonly finished: number
  /** Deliveries that had failed or are unknown; they cannot be replayed any more. */
  readonly failed: number
  /** Failures in the lists of batches. */
  readonly errors: number
  /** Outcomes; one that was not acknowledged is given again without address. */
  readonly outcomes: number
  /** Receipts under idempotency keys; they stay, without the address. */
  readonly receipts: number
  /** Holds of it as a sender. */
  readonly senders: number
  /** Whether a digest of it is kept, so that nothing is sent to it. */
  readonly suppressed: boolean
  /** Left: deliveries that a worker has; forget it again when they are over. */
  readonly active: number
  /** Left: emails that name it beside others who still wait for them; they go with the last of those. */
  readonly contents: number
}

export interface ForgetContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly lanes: LaneQueues
  readonly ledger: Pick<Ledger, 'record' | 'forget'>
  readonly clock: Pick<Clock, 'now' | 'sleep'>
}

const schema = z.strictObject({ suppress: z.boolean().default(false), dryRun: z.boolean().default(false) })
/** A chunk that is made jobs while it is looked at has become them by then. */
const UNPACKED_AFTER_MS = 250
const PAGE = 1_000

interface Task extends ForgetContext {
  readonly store: ForgetStore
  /** In the form in which addresses are compared. */
  readonly own: string
  readonly dryRun: boolean
  isMeant(address: unknown): boolean
}

/** @throws FluxMailError `invalid_email`, `no_email`, `invalid_params` */
export async function forgetAddress(
  context: ForgetContext,
  address: unknown,
  options: ForgetOptions,
): Promise<Forgotten> {
  const own = suppressionFields(parseMailbox(address, 'address').address)[0]
  const { suppress, dryRun } = parseForgetOptions(options)
  const { redis, keys } = context
  const isMeant = (given: unknown) => typeof given === 'string' && given.toLowerCase() === own
  const store = dryRun ? createPreviewStore(redis, keys) : createForgetStore(redis, keys)
  const task = { ...context, own, dryRun, isMeant, store }
  // First, so that nothing that is enqueued meanwhile is sent.
  const suppressed = await keepDigest(task, suppress)
  const batches = await allBatches(task)
  const rows = new Set<string>()
  for (const [id, lane] of batches) {
    for (const row of await forgetRows(task, id, lane)) rows.add(row)
  }
  if (!dryRun) await context.clock.sleep(UNPACKED_AFTER_MS)
  const finished = createFinishedJobs(redis, keys, createRetentionStore(redis, keys))
  const preview = (lane: string, id: string) => whereJobIs(task, lane, id)
  const jobs = await forgetJobs({ ...task, finished, rows, ...(dryRun ? { preview } : {}) })
  const errors = await forgetErrors(task, batches)
  const [outcomes, receipts, senders] = [
    await forgetOutcomes(task),
    await forgetReceipts(task),
    await forgetSender(task),
  ]
  // BullMQ's own events quote replies, and nobody reads them.
  for (const lane of dryRun ? [] : context.lanes.lanes)
    await redis.xtrim(`${keys.bullPrefix}:${lane}:events`, 'MAXLEN', 0)
  const contents = await countContents(task)
  return { rows: rows.size, ...jobs, errors, outcomes, receipts, senders, suppressed, contents }
}

/** @throws FluxMailError `invalid_params` */
function parseForgetOptions(options: ForgetOptions) {
  const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
  if (!('problems' in read)) return read.data
  const { problems } = read
  throw new FluxMailError('invalid_params', `forget: ${problems.join('; ')}`, { details: { problems } })
}

/** An address that nothing was sent to stays so: what is kept of it then is a digest. */
async function keepDigest(
  { redis, keys, store, own, clock, dryRun }: Task,
  suppress: boolean,
): Promise<boolean> {
  const field = forgottenField(own)
  const moved = await store.moveSuppression(own, field)
  const suppressions = createSuppressionStore(redis, keys)
  const [standing] = await suppressions.get([field])
  if (suppress && standing === undefined && !dryRun)
    await suppressions.put([[field, { r: 'forgotten', s: clock.now() }]])
  return moved || suppress || standing !== undefined
}

/** Ids and lanes. */
async function allBatches({ redis, keys }: Task): Promise<[id: string, lane: string][]> {
  const ids = await redis.zrange(keys.batches, 0, '-1')
  const lanes = await Promise.all(ids.map((id) => redis.hget(keys.batch(id), 'lane')))
  return ids.flatMap((id, index) => (lanes[index] ? [[id, lanes[index]] as [string, string]] : []))
}

async function forgetErrors({ redis, keys, isMeant, dryRun }: Task, batches: readonly [string, string][]) {
  let erased = 0
  for (const [id] of batches) {
    const errors = await redis.lrange(keys.batchErrors(id), 0, -1)
    const meant = errors.filter((json) => isMeant((JSON.parse(json) as { recipient?: string }).recipient))
    if (dryRun) erased += meant.length
    else for (const json of new Set(meant)) erased += await redis.lrem(keys.batchErrors(id), 0, json)
  }
  return erased
}

async function forgetOutcomes({ redis, keys, store, isMeant }: Task): Promise<number> {
  let erased = 0
  let from = '-'
  // What is written while it is read holds no address of a delivery that was forgotten.
  const [last] = await redis.xrevrange(keys.outcomes, '+', '-', 'COUNT', 1)
  for (;;) {
    const page = last ? await redis.xrange(keys.outcomes, from, last[0], 'COUNT', PAGE) : []
    for (const [id, fields] of page) {
      if (!isMeant(fields[fields.indexOf('a') + 1])) continue
      if (await store.eraseOutcome(id)) erased += 1
    }
    const end = page.at(-1)
    if (end === undefined || page.length < PAGE) return erased
    from = `(${end[0]}`
  }
}

async function forgetReceipts({ redis, keys, store, isMeant }: Task): Promise<number> {
  let erased = 0
  for await (const page of scan(redis, keys.receipt('*'), 'string')) {
    for (const key of page) {
      const standing = (await redis.get(key)) ?? ''
      const next = standing.replaceAll(/"recipient":("(?:[^"\\]|\\.)*")/g, (all, recipient: string) =>
        isMeant(JSON.parse(recipient)) ? '"recipient":""' : all,
      )
      if (next !== standing && (await store.replace(key, standing, next))) erased += 1
    }
  }
  return erased
}

async function forgetSender({ redis, keys, store, isMeant }: Task): Promise<number> {
  let erased = 0
  for await (const page of scan(redis, keys.circuit('*'), 'hash')) {
    for (const key of page) {
      const standing = (await redis.hget(key, 'circuit')) ?? '{}'
      const circuit = JSON.parse(standing) as { senders?: Record<string, unknown> }
      const senders = Object.entries(circuit.senders ?? {})
      const others = senders.filter(([sender]) => !isMeant(sender))
      if (others.length === senders.length) continue
      const next = JSON.stringify({ ...circuit, senders: Object.fromEntries(others) })
      if (await store.replaceCircuit(key, standing, next)) erased += senders.length - others.length
    }
  }
  return erased
}

/** Emails to several recipients, whose To and Cc name each of them. */
async function countContents({ redis, keys, own }: Task): Promise<number> {
  const needle = JSON.stringify(own).slice(1, -1)
  let found = 0
  for await (const page of scan(redis, keys.content('*'), 'hash')) {
    const texts = await Promise.all(page.map((key) => redis.hget(key, 'json')))
    found += texts.filter((json) => json?.toLowerCase().includes(`"${needle}"`)).length
  }
  return found
}
