// The way in for a batch: rows are read with back-pressure, checked, and acknowledged a chunk at a time.
// A row is its batch and its ordinal: the same rows again enqueue nothing, other rows are refused.
// No jobs are made here: the rows wait in their chunks until a worker unpacks them.

import { createHash, randomBytes } from 'node:crypto'
import { afterTurn, type Clock } from '../clock.js'
import type { ContentBundle } from '../content/content.js'
import type { SendWindow } from '../delivery/send-window.js'
import { FluxMailError, guarded, messageOf } from '../errors.js'
import type { BatchStore, Importer } from '../store/batches.js'
import { ChunkText } from '../store/chunk-text.js'
import type { ChunkStore, NewChunk } from '../store/chunks.js'
import type { ContentStore } from '../store/contents.js'
import { chunkRows, packBytes } from '../store/packed-rows.js'
import type { Room } from '../store/room.js'
import { asImporter, createImporter } from './importer.js'
import { writeRow } from './row.js'
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
  /** Texts that are written anew, one after the other. */
  readonly spare: ChunkText[]
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
  const own = { contentHash: bundle.hash, importer: createImporter(), spare: [] }
  const intake = { context, id, lane, options, shared, ...own }
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
      const packed = packChunk(intake, await textOf(intake, chunk, count), count)
      last = inTurn(last, packed, (next) => storeChunk(intake, next))
      underWay.push(last)
      count += chunk.length
      if (underWay.length >= MOST_UNDER_WAY) await underWay.shift()
      // What is stored next is asked for in the first turn, and written to Redis at its end.
      await turn()
      await turn()
    }
  } finally {
    // Where the rows broke off, what was read before it is acknowledged all the same.
    await last.catch(() => undefined)
  }
  await last
  return count
}

function turn(): Promise<void> {
  return new Promise(afterTurn)
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
    const next = readNext(iterator, count)
    // A turn of the microtasks for each row would cost more than reading it.
    const { done, value } = isPending(next) ? await settled(next, count) : next
    if (done) return chunk
    chunk.push(bringsFiles(value) ? await storeRowFiles(intake.context, intake, value, count) : value)
  }
  return chunk
}

type Result = IteratorResult<unknown>

function readNext(iterator: Iterator<unknown> | AsyncIterator<unknown>, count: number) {
  try {
    return iterator.next()
  } catch (cause) {
    throw failed(cause, count)
  }
}

function isPending(next: Result | PromiseLike<Result>): next is PromiseLike<Result> {
  return typeof next === 'object' && next !== null && 'then' in next
}

async function settled(next: PromiseLike<Result>, count: number): Promise<Result> {
  try {
    return await next
  } catch (cause) {
    throw failed(cause, count)
  }
}

function failed(cause: unknown, count: number): FluxMailError {
  return new FluxMailError('invalid_params', `rows threw after ${count} rows: ${messageOf(cause)}`, { cause })
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

/** The text of the rows, without those that cannot be deliveries. */
async function textOf(
  { options, spare }: Intake,
  rows: readonly unknown[],
  first: number,
): Promise<ChunkText> {
  const text = spare.pop() ?? new ChunkText()
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index]
    const error = writeOrError(text, row)
    if (error === undefined) continue
    await report(options, row instanceof RowWithFiles ? row.row : row, error, first + index)
  }
  return text
}

function writeOrError(text: ChunkText, row: unknown): FluxMailError | undefined {
  text.startRow()
  try {
    if (!(row instanceof RowWithFiles)) writeRow(text, row)
    else if (row.files instanceof FluxMailError) throw row.files
    else writeRow(text, row.row, row.files)
    text.acceptRow()
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof FluxMailError)) throw thrown
    text.rejectRow()
    return thrown
  }
}

async function packChunk({ id, lane, spare }: Intake, text: ChunkText, first: number): Promise<NewChunk> {
  const { rows, accepted } = text
  const bytes = text.end()
  const digest = sha256(bytes)
  const packed = await packBytes(bytes, text.bits)
  text.clear()
  spare.push(text)
  const number = first / chunkRows
  return { batchId: id, lane, number, digest, packed, accepted, rejected: rows - accepted }
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
