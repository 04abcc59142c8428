// The message on its way to the socket: it asks leave right before its last piece, which holds the final dot.
// From that moment the relay may have the whole message; before it a repeat is safe.

import { dataOf, endOf } from './data.js'

/** A body up to this size is handed over in one write; a larger one keeps its end back. */
const ONE_PIECE_BYTES = 64 * 1024
/** The part of a larger body that is kept back until the rest has been taken. */
const TAIL_BYTES = 1024
/** What of a larger body is handed over at once. */
const SLICE_BYTES = 512 * 1024

export interface BodyOptions<Answer extends string> {
  /** The message, and what goes above it. */
  readonly message: readonly Buffer[]
  /** Whether every CR and LF in it is known to be part of a CRLF. */
  readonly hasLines: boolean
  /** Whether nothing that was handed over waits in this process any more; false too when it will never leave it. */
  readonly flushed: () => Promise<boolean>
  /** Hands these over in one write. */
  readonly write: (pieces: readonly Buffer[]) => void
  /** Called once, when all but the last piece has been taken; of a body in one piece, before any of it. */
  readonly beforeBody: () => Promise<Answer | 'ok'>
  /** Called right before the write that holds the final dot; false when it may not go out. */
  readonly openWindow: () => boolean
}

/**
 * Carries a body to its final dot. Resolves with `ok` when it was handed over whole, with why leave was refused, or with
 * nothing when the connection was lost or `openWindow` was against it.
 */
export async function carryBody<Answer extends string>(
  options: BodyOptions<Answer>,
): Promise<Answer | 'ok' | undefined> {
  const data = dataOf(options.message, options.hasLines)
  const [rest, last] = sizeOf(data) <= ONE_PIECE_BYTES ? [[], data] : cut(data, sizeOf(data) - TAIL_BYTES)
  // A relay may read slowly: until it has taken the rest, a worker that dies costs nothing.
  if (!(await handOver(rest, options))) return undefined
  const answer = await options.beforeBody()
  if (answer !== 'ok') return answer
  if (!options.openWindow()) return undefined
  options.write([...last, endOf(data)])
  return 'ok'
}

async function handOver(
  data: readonly Buffer[],
  { write, flushed }: Pick<BodyOptions<string>, 'write' | 'flushed'>,
): Promise<boolean> {
  let left = data
  while (left.length > 0) {
    const [slice, rest] = cut(left, SLICE_BYTES)
    write(slice)
    if (!(await flushed())) return false
    left = rest
  }
  return flushed()
}

export function sizeOf(pieces: readonly Buffer[]): number {
  let size = 0
  for (const { length } of pieces) size += length
  return size
}

/** Parts pieces after so many bytes of them. */
function cut(pieces: readonly Buffer[], size: number): [readonly Buffer[], readonly Buffer[]] {
  let left = size
  for (const [index, piece] of pieces.entries()) {
    if (piece.length > left) {
      const head = left > 0 ? [piece.subarray(0, left)] : []
      return [
        [...pieces.slice(0, index), ...head],
        [piece.subarray(left), ...pieces.slice(index + 1)],
      ]
    }
    left -= piece.length
  }
  return [pieces, []]
}
