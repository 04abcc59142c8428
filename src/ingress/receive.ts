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
  let blocks = new Blocks(lease)
  let size = 0
  let refusal: Refusal | undefined
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > FLOOD * maxBytes) throw new Refusal(552, `5.3.4 ${tooLarge(maxBytes)}`, { closes: true })
    if (size > maxBytes) refusal = new Refusal(552, `5.3.4 ${tooLarge(maxBytes)}`)
    else if (!refusal && !blocks.add(chunk)) refusal = noRoom()
    if (refusal !== undefined && blocks.length > 0) {
      blocks = new Blocks(lease)
      lease.release()
    }
  }
  if (refusal) throw refusal
  return blocks.concat()
}

const LEAST_BLOCK = 4 * 1024
const LARGEST_BLOCK = 64 * 1024

/** Chunks may be of three bytes each and hold on to much more: what is kept of them is copied, and paid for whole. */
class Blocks {
  readonly #lease: Lease
  readonly #blocks: Buffer[] = []
  #room = 0
  length = 0

  constructor(lease: Lease) {
    this.#lease = lease
  }

  /** False when there is no room for it. */
  add(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#room === 0 && !this.#grow()) return false
      const block = this.#blocks.at(-1) ?? chunk
      const copied = chunk.copy(block, block.length - this.#room, at)
      this.#room -= copied
      this.length += copied
      at += copied
    }
    return true
  }

  concat(): Buffer {
    return Buffer.concat(this.#blocks, this.length)
  }

  #grow(): boolean {
    const size = Math.min(LARGEST_BLOCK, Math.max(LEAST_BLOCK, this.length))
    if (!this.#lease.take(size)) return false
    this.#blocks.push(Buffer.allocUnsafeSlow(size))
    this.#room = size
    return true
  }
}

export function tooLarge(maxBytes: number): string {
  return `The message is larger than ${maxBytes} octets`
}

export function noRoom(): Refusal {
  return new Refusal(452, '4.3.1 Too much mail is coming in at once; try again later')
}
