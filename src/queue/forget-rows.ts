// Rows that wait for one address, taken out of their chunks: each chunk that has one is written anew without it.

import type { Keys, Redis } from '../redis.js'
import type { ForgetStore } from '../store/forget.js'
import { chunkRows, isSet, type PackedRow, pack, textOf, unpackAll } from '../store/packed-rows.js'
import { rowId } from './payload.js'

export interface ForgetRowsContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Pick<ForgetStore, 'eraseRows'>
  /** Whether an address is the one. */
  isMeant(address: string): boolean
}

/** Chunks that are read at once. */
const PAGE = 50
export const forgottenCode = 'forgotten'

/** Resolves to the ids of the deliveries whose rows were taken out. */
export async function forgetRows(
  context: ForgetRowsContext,
  batchId: string,
  lane: string,
): Promise<string[]> {
  const { redis, keys } = context
  const numbers = (await redis.hkeys(keys.batchRows(batchId))).sort((a, b) => Number(a) - Number(b))
  const found: string[] = []
  for (let first = 0; first < numbers.length; first += PAGE) {
    const page = numbers.slice(first, first + PAGE)
    const chunks = await redis.hmgetBuffer(keys.batchRows(batchId), ...page)
    for (const [index, packed] of chunks.entries()) {
      if (!packed) continue
      const ordinals = await forgetInChunk(context, { batchId, lane, number: Number(page[index]), packed })
      found.push(...ordinals.map((ordinal) => rowId(batchId, ordinal)))
    }
  }
  return found
}

interface ReadChunk {
  readonly batchId: string
  readonly lane: string
  readonly number: number
  readonly packed: Buffer
}

async function forgetInChunk(context: ForgetRowsContext, chunk: ReadChunk): Promise<number[]> {
  const rows = await unpackAll(chunk.packed).catch(() => [])
  const isMeant = (row: PackedRow | undefined) => row !== undefined && context.isMeant(row[0])
  if (!rows.some(isMeant)) return []
  // Those that have become jobs are erased there, and here only what is left of them.
  const waiting = rows.map((row, place) => (isSet(chunk.packed, place) ? row : undefined))
  const left = waiting.map((row) => (isMeant(row) ? undefined : row))
  const ordinals = waiting.flatMap((row, place) => (isMeant(row) ? [chunk.number * chunkRows + place] : []))
  const erasing = { ...chunk, rest: await packed(left), ordinals }
  if (await context.store.eraseRows(erasing, forgottenCode)) return ordinals
  // Another one has changed it meanwhile; where it became jobs, they are looked at next.
  const again = await context.redis.hgetBuffer(context.keys.batchRows(chunk.batchId), String(chunk.number))
  return again === null ? [] : forgetInChunk(context, { ...chunk, packed: again })
}

async function packed(rows: readonly (PackedRow | undefined)[]): Promise<Buffer | undefined> {
  if (rows.every((row) => row === undefined)) return undefined
  const texts = rows.map((row) => row && JSON.stringify(row))
  return pack(textOf(texts), texts)
}
