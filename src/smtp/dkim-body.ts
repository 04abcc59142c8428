// The body hash of DKIM: SHA-256 over the relaxed body (RFC 6376, 3.4.4).
// Linear in the bytes whatever they are, and with a pause after each slice of a large body.

import { createHash } from 'node:crypto'

/** What is hashed between two pauses: about a millisecond's worth. */
const SLICE_BYTES = 128 * 1024
const blank = new Set([...Buffer.from(' \t\r\n')])
/** What a relaxed body does not hold: a run of blanks, a tab, a blank at the end of a line. */
const unrelaxed = /[ \t][ \t\r]|\t/

/** Base64. Lines are ended by CRLF. `pause` is waited for between slices, so that others get their turn. */
export async function hashBody(body: Buffer, pause: () => Promise<void>): Promise<string> {
  const hash = createHash('sha256')
  const end = contentEnd(body)
  for (let at = 0; at < end; ) {
    if (at > 0) await pause()
    const next = sliceEnd(body, at, end)
    const lines = body.subarray(at, next)
    const text = lines.toString('latin1')
    if (unrelaxed.test(text)) hash.update(relaxedLines(text), 'latin1')
    else hash.update(lines)
    at = next
  }
  if (end > 0) hash.update('\r\n')
  return hash.digest('base64')
}

/** Where the blanks and empty lines begin that end the body. */
function contentEnd(body: Buffer): number {
  let end = body.length
  while (end > 0 && blank.has(body[end - 1] ?? 0)) end -= 1
  return end
}

/** A slice holds whole lines, however long one is. */
function sliceEnd(body: Buffer, start: number, end: number): number {
  if (end - start <= SLICE_BYTES) return end
  const within = body.lastIndexOf('\r\n', start + SLICE_BYTES)
  const lineEnd = within > start ? within : body.indexOf('\r\n', start + SLICE_BYTES)
  return lineEnd === -1 ? end : Math.min(lineEnd + 2, end)
}

/** In two steps: one expression for both would look at a long run of blanks again from each of them. */
function relaxedLines(text: string): string {
  return text.replace(/[ \t]{2,}|\t/g, ' ').replaceAll(' \r\n', '\r\n')
}
