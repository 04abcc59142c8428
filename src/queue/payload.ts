// The data of a job: a reference to its content and one recipient's variables, under 1 kB.
// Field names are short because a million of them wait in Redis. No secret, path or URL to open stands here.

import { z } from 'zod'
import type { FileRef } from '../content/content.js'
import type { Delivery } from '../delivery/delivery.js'
import { type SendWindow, windowOf, windowText } from '../delivery/send-window.js'
import { FluxMailError } from '../errors.js'
import type { Mailbox } from '../message/email-parts.js'
import type { Entry } from '../store/ledger.js'
import type { PackedFile } from '../store/packed-rows.js'
import { isPlainPayload } from './plain-payload.js'

const fields = {
  /** Content, by its SHA-256 in base64url. */
  c: z.string().length(43),
  /** Address and name of the recipient. */
  a: z.string().min(1),
  n: z.string().optional(),
  /** Whether its caller may add it again, under an idempotency key. */
  k: z.literal(1).optional(),
  /** Route. */
  r: z.string().optional(),
  /** Whether the id of the job is `batch.ordinal`. */
  b: z.literal(1).optional(),
  /** The recipient's variables. */
  d: z.record(z.string(), z.unknown()).optional(),
  /** Expires at. */
  x: z.number().optional(),
  /** First attempt that reached MAIL FROM, and time held after it. */
  f: z.number().optional(),
  h: z.number().optional(),
  /** Held, or waiting in line with its time come, since then; and for which reason it is held. */
  s: z.number().optional(),
  w: z.string().optional(),
}

/** When an attempt began, how many ms it took, relay, outcome, code and reply. */
const attempt = z.tuple([z.number(), z.number(), z.string(), z.string(), z.string(), z.string()])

const schemaV1 = z.strictObject({ v: z.literal(1), ...fields })
const schemaV2 = z.strictObject({
  v: z.literal(2),
  ...fields,
  /** What attempts came to: the first and the last twelve. */
  l: z.array(attempt).optional(),
  /** How often it was replayed, when the last time, and why. */
  g: z.object({ n: z.number(), at: z.number(), why: z.string().optional() }).optional(),
  /** The hours in which it may be sent, as `windowText` writes them. */
  o: z.string().optional(),
  /** The files that its row brings: SHA-256 in base64url, name, type, size. */
  t: z.array(z.tuple([z.string().length(43), z.string(), z.string(), z.number()])).optional(),
})

/** What was enqueued by the version before this one stays of that version, so that its workers can read it too. */
export type Payload = Omit<z.output<typeof schemaV2>, 'v'> & { v: 1 | 2 }

/** The part of a BullMQ job that a delivery is read from. */
export interface JobFacts {
  readonly id: string
  readonly lane: string
  readonly data: unknown
  readonly timestamp: number
  readonly attemptsMade: number
  readonly stalledCounter: number
}

export interface NewDelivery {
  readonly contentHash: string
  readonly recipient: Mailbox
  readonly variables?: Readonly<Record<string, unknown>>
  readonly route?: string | undefined
  /** Whether it is a row of a batch; its id is then `rowId(batch, ordinal)`. */
  readonly inBatch?: boolean
  /** Whether its caller may add it again, under an idempotency key. */
  readonly repeatable?: boolean
  readonly expiresAt?: number | undefined
  readonly sendWindow?: SendWindow | undefined
  /** What its row brings beside the files of the content. */
  readonly files?: readonly PackedFile[] | undefined
}

/** The id of a delivery: its batch or email, which holds no dot, and its ordinal there. */
export function rowId(batchId: string, ordinal: number): string {
  return `${batchId}.${ordinal}`
}

/** Whether an id can be that of a delivery; other keys of BullMQ must not be taken for jobs. */
export function isDeliveryId(id: unknown): id is string {
  return typeof id === 'string' && /^[A-Za-z0-9_-]{1,64}\.\d{1,15}$/.test(id)
}

/** Takes the id of a delivery apart. */
export function splitId(id: string): { readonly id: string; readonly ordinal: number } {
  const dot = id.indexOf('.')
  return { id: id.slice(0, dot), ordinal: Number(id.slice(dot + 1)) }
}

/** Builds the data of a new job. */
export function payloadOf(delivery: NewDelivery): Payload {
  const { contentHash, recipient, variables, route, inBatch, repeatable, expiresAt, sendWindow } = delivery
  const files = delivery.files?.map(
    ([hash, ...facts]) => [shortHash(hash), ...facts] as [string, string, string, number],
  )
  const payload: Payload = { v: 2, c: shortContent(contentHash), a: recipient.address }
  if (recipient.name !== undefined) payload.n = recipient.name
  if (route !== undefined) payload.r = route
  if (inBatch) payload.b = 1
  if (repeatable) payload.k = 1
  if (variables !== undefined) payload.d = { ...variables }
  if (expiresAt !== undefined) payload.x = expiresAt
  if (sendWindow !== undefined) payload.o = windowText(sendWindow)
  if (files !== undefined && files.length > 0) payload.t = files
  return payload
}

function shortHash(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url')
}

let lastContent = { short: '', long: '' }

function shortContent(long: string): string {
  if (lastContent.long !== long) lastContent = { short: shortHash(long), long }
  return lastContent.short
}

/** Deliveries of one batch come one after another, and name the same content. */
function contentHashOf({ c: short }: Payload): string {
  if (lastContent.short !== short) lastContent = { short, long: longHash(short) }
  return lastContent.long
}

function longHash(base64url: string): string {
  return Buffer.from(base64url, 'base64url').toString('hex')
}

/** The files that the row of a delivery brings. */
export function filesOf({ t = [] }: Payload): FileRef[] {
  return t.map(([hash, filename, contentType, size]) => ({
    hash: longHash(hash),
    filename,
    contentType,
    size,
  }))
}

/**
 * The versions that are read: the one that is written and the one before, so that what waits outlives an upgrade.
 * A field more, less or of another meaning is a new version. Workers are upgraded before what enqueues.
 */
const schemas = new Map<unknown, z.ZodType<Payload>>([
  [1, schemaV1],
  [2, schemaV2],
])

/** Checks what came out of Redis; throws `invalid_payload`, which fails that job alone. */
export function parsePayload(data: unknown): Payload {
  if (isPlainPayload(data)) return data as Payload
  const version = typeof data === 'object' && data !== null && 'v' in data ? data.v : undefined
  const schema = version === undefined ? schemaV2 : schemas.get(version)
  if (schema === undefined) throw unknownVersion(version)
  const parsed = schema.safeParse(data)
  if (parsed.success) return parsed.data
  const problem = parsed.error.issues[0]
  throw new FluxMailError(
    'invalid_payload',
    `the job is no delivery of ours: ${problem?.path.join('.')} ${problem?.message}`,
  )
}

function unknownVersion(version: unknown): FluxMailError {
  const known = [...schemas.keys()].join(' and ')
  return new FluxMailError(
    'invalid_payload',
    `the job is no delivery of ours: its version is ${JSON.stringify(version)}, and this one reads ${known}`,
  )
}

/** What the ledger knows the delivery of a job by. */
export function entryOf({ id, lane }: Pick<JobFacts, 'id' | 'lane'>, payload: Payload): Entry {
  const contentHash = contentHashOf(payload)
  if (payload.b === undefined) return { id, lane, contentHash }
  return { id, lane, contentHash, batch: splitId(id) }
}

/** Reads the delivery of a job at `now`. */
export function deliveryOf(job: JobFacts, now: number): Delivery {
  const payload = parsePayload(job.data)
  // Time held counts only once the delivery has an age.
  const since = payload.f === undefined ? undefined : payload.s
  const heldNow = since === undefined ? 0 : Math.max(0, now - since)
  // A spread would cost more than all else here.
  const { id, lane, contentHash, batch } = entryOf(job, payload)
  const delivery: Writable<Delivery> = {
    id,
    lane,
    contentHash,
    recipient: payload.n === undefined ? { address: payload.a } : { address: payload.a, name: payload.n },
    variables: payload.d ?? {},
    createdAt: job.timestamp,
    heldMs: (payload.h ?? 0) + heldNow,
    attemptsMade: job.attemptsMade,
    crashes: job.stalledCounter,
  }
  if (batch !== undefined) delivery.batch = batch
  if (payload.r !== undefined) delivery.route = payload.r
  if (payload.x !== undefined) delivery.expiresAt = payload.x
  if (payload.o !== undefined) delivery.sendWindow = windowOf(payload.o)
  if (payload.f !== undefined) delivery.firstAttemptAt = payload.f
  if (payload.g !== undefined) delivery.replays = payload.g.n
  if (payload.t !== undefined) delivery.attachments = filesOf(payload)
  if (payload.w !== undefined) delivery.heldFor = payload.w
  return delivery
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
