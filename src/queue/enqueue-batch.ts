// The way in for a batch: rows are read with back-pressure, checked, and acknowledged a chunk at a time.
// A row is its batch and its ordinal: the same rows again enqueue nothing, other rows are refused.

import { createHash, randomBytes } from 'node:crypto'
import type { ContentBundle } from '../content/content.js'
import { FluxMailError, guarded, messageOf } from '../errors.js'
import type { BatchStore, Chunk } from '../store/batches.js'
import { type ContentStore, contentTtlSeconds } from '../store/contents.js'
import type { Room } from '../store/room.js'
import type { LaneQueues, NewJob } from './lane-queues.js'
import { payloadOf, rowId } from './payload.js'
import { type ParsedRow, parseRow } from './row.js'

export interface BatchOptions {
  /** Default `bulk`. */
  lane?: string | undefined
  route?: string | undefined
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; random unless given. Rows of the same batch are never enqueued twice. */
  batchId?: string | undefined
  sendAt?: Date | undefined
  expiresAt?: Date | undefined
  /** Hears of each row that cannot be a delivery; `ordinal` counts all rows from 0. */
  onReject?: ((row: unknown, error: FluxMailError, ordinal: number) => unknown) | undefined
}

export interface BatchContext {
  readonly batches: BatchStore
  readonly contents: ContentStore
  readonly lanes: LaneQueues
  readonly room: Room
  now(): number
}

/** Rows that are acknowledged together; the digest of so many is kept for the life of the batch. */
const CHUNK_ROWS = 250

/** Rows as the caller has them; each is checked when it is read. */
export type Rows = Iterable<unknown> | AsyncIterable<unknown>

interface Intake {
  readonly context: BatchContext
  readonly id: string
  readonly lane: string
  readonly contentHash: string
  readonly options: BatchOptions
}

/** Enqueues a batch and resolves to its id once every row is acknowledged. */
export async function enqueueRows(
  context: BatchContext,
  rows: Rows,
  bundle: ContentBundle,
  options: BatchOptions,
): Promise<string> {
  const id = options.batchId ?? `b${randomBytes(9).toString('base64url')}`
  const lane = options.lane ?? 'bulk'
  checkIterable(rows)
  const intake: Intake = { context, id, lane, contentHash: bundle.hash, options }
  await openBatch(intake, bundle)
  let count = 0
  for await (const chunk of chunksOf(rows)) {
    await acknowledgeChunk(intake, chunk, count)
    count += chunk.length
  }
  if (!(await context.batches.seal(id, count, context.now())))
    throw conflict(id, 'it holds another number of rows')
  return id
}

async function openBatch(
  { context, id, lane, contentHash, options }: Intake,
  bundle: ContentBundle,
): Promise<void> {
  const { route = '', sendAt, expiresAt } = options
  const fingerprint = sha256(
    JSON.stringify([contentHash, lane, route, sendAt?.getTime() ?? 0, expiresAt?.getTime() ?? 0]),
  )
  const waitSeconds = Math.max(0, Math.ceil(((sendAt?.getTime() ?? 0) - context.now()) / 1000))
  await context.room.check()
  await context.contents.put(bundle, 1, contentTtlSeconds + waitSeconds)
  const answer = await context.batches.open(id, { fingerprint, lane, contentHash, createdAt: context.now() })
  if (answer === 'other') throw conflict(id, 'it has another content or other options')
}

async function* chunksOf(rows: Rows): AsyncGenerator<unknown[]> {
  let chunk: unknown[] = []
  for await (const row of readAll(rows)) {
    chunk.push(row)
    if (chunk.length < CHUNK_ROWS) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** The rows of the caller; what goes wrong in reading them is told apart from what goes wrong here. */
async function* readAll(rows: Rows): AsyncGenerator<unknown> {
  let count = 0
  const iterator = guarded('invalid_params', 'rows', () => iteratorOf(rows))
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      count += 1
      yield next.value
    }
  } catch (cause) {
    throw new FluxMailError('invalid_params', `rows threw after ${count} rows: ${messageOf(cause)}`, {
      cause,
    })
  } finally {
    await iterator.return?.()
  }
}

function checkIterable(rows: unknown): void {
  const iterable = guarded('invalid_params', 'rows', () => {
    return (
      typeof rows === 'object' && rows !== null && (Symbol.asyncIterator in rows || Symbol.iterator in rows)
    )
  })
  if (iterable) return
  throw new FluxMailError(
    'invalid_params',
    'rows: must be an array or another iterable of { to, ...variables }',
  )
}

function iteratorOf(rows: Rows): Iterator<unknown> | AsyncIterator<unknown> {
  if (Symbol.asyncIterator in rows) return rows[Symbol.asyncIterator]()
  return rows[Symbol.iterator]()
}

async function acknowledgeChunk(intake: Intake, rows: readonly unknown[], first: number): Promise<void> {
  const { context, id, lane } = intake
  const parsed: (ParsedRow | undefined)[] = []
  for (const [index, row] of rows.entries()) parsed.push(await readRow(intake, row, first + index))
  const delayMs = Math.max(0, (intake.options.sendAt?.getTime() ?? 0) - context.now())
  const jobs = parsed.flatMap((row, index) => (row ? [jobOf(intake, row, first + index, delayMs)] : []))
  const chunk: Chunk = {
    batchId: id,
    lane,
    number: first / CHUNK_ROWS,
    digest: sha256(parsed.map((row) => row?.canonical ?? 'rejected').join('\n')),
    accepted: jobs.length,
    rejected: rows.length - jobs.length,
  }
  const answer = await context.batches.announce(chunk)
  if (answer === 'other') throw conflict(id, `rows ${first} to ${first + rows.length - 1} are not the same`)
  if (answer === 'done') return
  await context.room.check()
  const last = jobs.at(-1)
  const witness = last && context.lanes.keyOf(lane, last.id)
  await context.lanes.add(lane, jobs, context.batches.commit(chunk, witness))
}

async function readRow({ options }: Intake, row: unknown, ordinal: number): Promise<ParsedRow | undefined> {
  try {
    return parseRow(row)
  } catch (thrown) {
    if (!(thrown instanceof FluxMailError)) throw thrown
    await report(options, row, thrown, ordinal)
    return undefined
  }
}

async function report(
  { onReject }: BatchOptions,
  row: unknown,
  error: FluxMailError,
  ordinal: number,
): Promise<void> {
  try {
    await onReject?.(row, error, ordinal)
  } catch (cause) {
    throw new FluxMailError('invalid_params', `onReject threw at row ${ordinal}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

function jobOf(
  { id, contentHash, options }: Intake,
  row: ParsedRow,
  ordinal: number,
  delayMs: number,
): NewJob {
  return {
    id: rowId(id, ordinal),
    delayMs,
    payload: payloadOf({
      contentHash,
      recipient: row.recipient,
      variables: row.variables,
      route: options.route,
      expiresAt: options.expiresAt?.getTime(),
      inBatch: true,
    }),
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function conflict(id: string, why: string): FluxMailError {
  return new FluxMailError(
    'batch_conflict',
    `batch ${id} exists and ${why}; give new rows a batchId of their own`,
    {
      details: { batchId: id },
    },
  )
}
