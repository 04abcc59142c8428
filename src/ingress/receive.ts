// The bytes of one message, from 354 to the final dot, within the limits. What is over them is read and thrown away.

import type { Readable } from 'node:stream'
import { Refusal } from './refusal.js'
import type { Lease } from './room.js'

/** Past so many times the limit nobody goes on reading. */
const FLOOD = 2

/**
 * Resolves with the message once the client has ended it. Rejects with a Refusal when it is too large or there is no
 * room for it, and with another error when the client went away.
 */
export async function receiveBytes(stream: Readable, maxBytes: number, lease: Lease): Promise<Buffer> {
  let chunks: Buffer[] = []
  let size = 0
  let refusal: Refusal | undefined
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > FLOOD * maxBytes) throw new Refusal(552, `5.3.4 ${tooLarge(maxBytes)}`, { closes: true })
    if (size > maxBytes) refusal = new Refusal(552, `5.3.4 ${tooLarge(maxBytes)}`)
    else if (!refusal && !lease.take(chunk.length)) refusal = noRoom()
    if (refusal === undefined) chunks.push(chunk)
    else if (chunks.length > 0) {
      chunks = []
      lease.release()
    }
  }
  if (refusal) throw refusal
  return Buffer.concat(chunks)
}

export function tooLarge(maxBytes: number): string {
  return `The message is larger than ${maxBytes} octets`
}

export function noRoom(): Refusal {
  return new Refusal(452, '4.3.1 Too much mail is coming in at once; try again later')
}
