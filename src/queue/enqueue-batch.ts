// The way in for a batch: rows are read with back-pressure, checked, and acknowledged a chunk at a time.
// A row is its batch and its ordinal: the same rows again enqueue nothing, other rows are refused.
// No jobs are made here: the rows wait in their chunks until a worker unpacks them.

import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { ContentBundle } from '../content/content.js'
import type { SendWindow } from '../delivery/send-window.js'
import { FluxMailError, guarded, messageOf } from '../errors.js'
import type { BatchStore, Importer } from '../store/batches.js'
import type { ChunkStore, NewChunk } from '../store/chunks.js'
import type { ContentStore } from '../store/contents.js'
import { chunkRows, pack, textOf } from '../store/packed-rows.js'
import type { Room } from '../store/room.js'
import { asImporter, createImporter } from './importer.js'
import { parseRow } from './row.js'
import { bringsFiles, RowWithFiles, sharedBytes, storeRowFiles } from './row-files.js'

export interface BatchOptions {
  /** Default `bulk`. */
  lane?: string | undefined
  route?: string | undefined
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; random unless given. Rows of the same batch are never enqueued twice. */
  batchId?: string | undefined
  sendAt?: Date | undefined
  expiresAt?: Date | undefined
  /** The days and hours in which its deliveries may be sent; outside of them they are held. */
  sendWindow?: SendWindow | undefined
  /** Its share of the lane beside other batches: 1 to 100, default 10. One of 20 has two rows tried for each of theirs. */
  priority?: number | undefined
  /** Hears of each row that cannot be a delivery; `ordinal` counts all rows from 0. */
  onReject?: ((row: unknown, error: FluxMailError, ordinal: number) => unknown) | undefined
}

export const defaultBatchLane = 'bulk'

export interface BatchContext {
  readonly batches: BatchStore
  readonly chunks: ChunkStore
  readonly contents: ContentStore
  readonly room: Room
  /** The files of one email together. */
  readonly maxAttachmentBytes: number
  readonly clock: Pick<Clock, 'now' | 'every'>
}

/** Chunks that are read and not yet acknowledged. */
const MOST_UNDER_WAY = 4

/** Rows as the caller has them; each is checked when it is read. */
export type Rows = Iterable<unknown> | AsyncIterable<unknown>

interface Intake {
  readonly context: BatchContext
  readonly id: string
  readonly lane: string
  readonly contentHash: string
  readonly importer: Importer
  readonly options: BatchOptions
  /** Bytes of files that every email of the batch brings. */
  readonly shared: number
}

/** Enqueues a batch and resolves to its id once every row is acknowledged. */
export async function enqueueRows(
  context: BatchContext,
  rows: Rows,
  bundle: ContentBundle,
  options: BatchOptions,
): Promise<string> {
  const id = options.batchId ?? `b${randomBytes(9).toString('base64url')}`
  const lane = options.lane ?? defaultBatchLane
  checkIterable(rows)
  const shared = sharedBytes(bundle)
  const intake = { context, id, lane, contentHash: bundle.hash, importer: createImporter(), options, shared }
  await openBatch(intake, bundle)
  return asImporter(context.batches, context.clock, intake, async () => {
    const count = await storeAll(intake, rows)
    const chunks = Math.ceil(count / chunkRows)
    const answer = await context.batches.seal(id, count, chunks, context.clock.now())
    if (answer === 'gap') throw lost(id)
    if (answer === 'other') throw conflict(id, 'it holds another number of rows')
    return id
  })
}

async function openBatch(
  { context, id, lane, contentHash, importer, options }: Intake,
  bundle: ContentBundle,
): Promise<void> {
  const { route, priority } = options
  const sendWindow = options.sendWindow && JSON.stringify(options.sendWindow)
  const [sendAt, expiresAt] = [options.sendAt?.getTime(), options.expiresAt?.getTime()]
  const fingerprint = sha256(
    JSON.stringify([contentHash, lane, route, sendAt, expiresAt, priority, sendWindow]),
  )
  await context.room.check()
  await context.contents.put(bundle)
  const facts = { lane, contentHash, route, priority, sendAt, expiresAt, sendWindow }
  const batch = { ...facts, fingerprint, createdAt: context.clock.now() }
  const answer = await context.batches.open(id, batch, importer)
  if (answer === 'other') throw conflict(id, 'it has another content or other options')
}

/** Chunks are compressed beside each other and stored one after the other. Resolves to the number of rows. */
async function storeAll(intake: Intake, rows: Rows): Promise<number> {
  const underWay: Promise<void>[] = []
  let last = Promise.resolve()
  let count = 0
  try {
    for await (const chunk of chunksOf(intake, rows)) {
      const packed = packChunk(intake, await textsOf(intake, chunk, count), count)
      last = inTurn(last, packed, (next) => storeChunk(intake, next))
      underWay.push(last)
      count += chunk.length
      if (underWay.length >= MOST_UNDER_WAY) await underWay.shift()
    }
  } finally {
    // Where the rows broke off, what was read before it is acknowledged all the same.
    await last.catch(() => undefined)
  }
  await last
  return count
}

/** Nothing is stored after a chunk that could not be. */
function inTurn<T>(
  before: Promise<void>,
  value: Promise<T>,
  run: (value: T) => Promise<void>,
): Promise<void> {
  const done = before.then(async () => run(await value))
  // Both are waited for later, or not at all where one before them failed.
  for (const promise of [value, done]) promise.catch(() => undefined)
  return done
}

/** The rows of the caller; what goes wrong in reading them is told apart from what goes wrong here. */
async function* chunksOf(intake: Intake, rows: Rows): AsyncGenerator<unknown[]> {
  const iterator = guarded('invalid_params', 'rows', () => iteratorOf(rows))
  let count = 0
  try {
    for (;;) {
      const chunk = await readChunk(intake, iterator, count)
      count += chunk.length
      if (chunk.length > 0) yield chunk
      if (chunk.length < chunkRows) return
    }
  } finally {
    await iterator.return?.()
  }
}

async function readChunk(
  intake: Intake,
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  before: number,
): Promise<unknown[]> {
  const chunk: unknown[] = []
  while (chunk.length < chunkRows) {
    const count = before + chunk.length
    const { done, value } = await readNext(iterator, count)
    if (done) return chunk
    chunk.push(bringsFiles(value) ? await storeRowFiles(intake.context, intake, value, count) : value)
  }
  return chunk
}

function readNext(iterator: Iterator<unknown> | AsyncIterator<unknown>, count: number) {
  const failed = (cause: unknown) => {
    const message = `rows threw after ${count} rows: ${messageOf(cause)}`
    return new FluxMailError('invalid_params', message, { cause })
  }
  try {
    const next = iterator.next()
    if (!(next instanceof Promise)) return next
    return next.catch((cause: unknown) => {
      throw failed(cause)
    })
  } catch (cause) {
    throw failed(cause)
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

/** The text of each row, undefined where one cannot be a delivery. */
async function textsOf(
  { options }: Intake,
  rows: readonly unknown[],
  first: number,
): Promise<(string | undefined)[]> {
  const texts: (string | undefined)[] = []
  for (const [index, row] of rows.entries()) {
    const text = textOrError(row)
    const given = row instanceof RowWithFiles ? row.row : row
    if (text instanceof FluxMailError) await report(options, given, text, first + index)
    texts.push(typeof text === 'string' ? text : undefined)
  }
  return texts
}

function textOrError(row: unknown): string | FluxMailError {
  try {
    if (!(row instanceof RowWithFiles)) return parseRow(row).text
    return row.files instanceof FluxMailError ? row.files : parseRow(row.row, row.files).text
  } catch (thrown) {
    if (!(thrown instanceof FluxMailError)) throw thrown
    return thrown
  }
}

async function packChunk(
  { id, lane }: Intake,
  rows: readonly (string | undefined)[],
  first: number,
): Promise<NewChunk> {
  const text = Buffer.from(textOf(rows))
  const accepted = rows.filter((row) => row !== undefined).length
  return {
    batchId: id,
    lane,
    number: first / chunkRows,
    digest: sha256(text),
    packed: await pack(text, rows),
    accepted,
    rejected: rows.length - accepted,
  }
}

async function storeChunk({ context, id, importer }: Intake, chunk: NewChunk): Promise<void> {
  await context.room.check()
  const answer = await context.chunks.store(chunk, importer)
  if (answer === 'gap') throw lost(id)
  if (answer !== 'other') return
  const first = chunk.number * chunkRows
  throw conflict(id, `rows ${first} to ${first + chunk.accepted + chunk.rejected - 1} are not the same`)
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

function sha256(text: string | Buffer): string {
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

/** Redis came back from before the last chunks, as one does that does not sync its AOF or has failed over. */
function lost(id: string): FluxMailError {
  return new FluxMailError(
    'queue_unavailable',
    `Redis has lost rows of batch ${id} that it had acknowledged; enqueue it again with the same batchId and rows`,
    { details: { batchId: id } },
  )
}
