// Rows as they wait: those of a chunk as one compressed text, after a bit for each that says whether it is a delivery.
// The bits stand outside, so that a script can settle a chunk without reading its rows.

import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import { FluxMailError, messageOf } from '../errors.js'

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

/** A multiple of 8, so that the settled bits of a chunk are whole bytes. */
export const chunkRows = 256
export const chunkBytes = chunkRows / 8

/** More is slower and saves little: a chunk repeats itself at short distances. */
const LEVEL = 2

/** A file that a row brings: its SHA-256 in hex, name, type and size. */
export type PackedFile = readonly [hash: string, filename: string, contentType: string, size: number]

/** A row that waits: address, name or null, variables, and the files that it brings. */
export type PackedRow = readonly [
  address: string,
  name: string | null,
  variables: Readonly<Record<string, unknown>>,
  files?: readonly PackedFile[],
]

/** The text of a chunk from that of each of its rows, undefined where a row was rejected; equal for equal rows. */
export function textOf(rows: readonly (string | undefined)[]): string {
  return `[${rows.map((row) => row ?? '0').join(',')}]`
}

export async function pack(text: string, rows: readonly (string | undefined)[]): Promise<Buffer> {
  return packBytes(Buffer.from(text), bitsOf(rows))
}

/** The same from the bytes of the text and the bits of its rows. */
export async function packBytes(text: Buffer, bits: Buffer): Promise<Buffer> {
  return Buffer.concat([bits, await deflate(text, { level: LEVEL })])
}

/** Rows that wait by their place in the chunk, undefined where one was rejected or has become a job. */
export async function unpack(packed: Buffer): Promise<(PackedRow | undefined)[]> {
  const rows = await unpackAll(packed)
  return rows.map((row, place) => (isSet(packed, place) ? row : undefined))
}

/** All that a chunk still holds, also rows that have become jobs. */
export async function unpackAll(packed: Buffer): Promise<(PackedRow | undefined)[]> {
  try {
    const text = await inflate(packed.subarray(chunkBytes))
    const rows = JSON.parse(text.toString()) as (PackedRow | 0)[]
    return rows.map((row) => (row === 0 ? undefined : checked(row)))
  } catch (cause) {
    const message = `a chunk of rows cannot be read: ${messageOf(cause)}`
    throw new FluxMailError('invalid_payload', message, { cause })
  }
}

/** What is compressed has no checksum. */
function checked(row: PackedRow): PackedRow {
  if (Array.isArray(row) && typeof row[0] === 'string') return row
  throw new TypeError('a row of it is none of ours')
}

/** Whether a bit is set; the first is the highest of the first byte, as in Redis, and bits that are not there are not set. */
export function isSet(bits: Buffer, place: number): boolean {
  return (((bits[place >> 3] ?? 0) >> (7 - (place & 7))) & 1) === 1
}

export function setBit(bits: Buffer, place: number): void {
  bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (7 - (place & 7)))
}

function bitsOf(rows: readonly (string | undefined)[]): Buffer {
  const bits = Buffer.alloc(chunkBytes)
  for (const [place, row] of rows.entries()) if (row !== undefined) setBit(bits, place)
  return bits
}
