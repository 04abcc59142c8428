// Bytes to text: UTF-8, Latin-1 and UTF-16, said by a byte order mark or by the command line, else found.
// What is found depends on the bytes alone and never on how they arrive, so that a second run reads the same.

import { isAscii, isUtf8 } from 'node:buffer'
import { StringDecoder } from 'node:string_decoder'

export const encodings = ['utf-8', 'latin1', 'utf-16le', 'utf-16be'] as const
export type Encoding = (typeof encodings)[number]

export interface DecodeOptions {
  readonly encoding?: Encoding | undefined
  /** Hears that the bytes are not UTF-8 and are taken for Latin-1. */
  onLatin1?(): void
}

/** Bytes from the first one over 127 on, by which an encoding is told. */
const EVIDENCE_BYTES = 64 * 1024

const marks: readonly (readonly [Encoding, readonly number[]])[] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
]

/** The text in pieces of any length; what cannot be decoded is U+FFFD. */
export async function* decode(
  chunks: AsyncIterable<Buffer>,
  options: DecodeOptions = {},
): AsyncGenerator<string, void, void> {
  const decoder = new Decoder(options)
  for await (const chunk of chunks) yield* decoder.write(chunk)
  yield* decoder.end()
}

interface TextDecoding {
  write(bytes: Buffer): string
  end(): string
}

class Decoder {
  readonly #options: DecodeOptions
  #start: Buffer | undefined = Buffer.alloc(0)
  #decoding: TextDecoding | undefined
  #evidence: Buffer[] = []
  #evidenceBytes = 0

  constructor(options: DecodeOptions) {
    this.#options = options
  }

  *write(chunk: Buffer): Generator<string, void, void> {
    if (this.#start === undefined) yield* this.#decode(chunk)
    else {
      this.#start = Buffer.concat([this.#start, chunk])
      if (this.#start.length >= 3) yield* this.#begin()
    }
  }

  *end(): Generator<string, void, void> {
    if (this.#start !== undefined) yield* this.#begin()
    if (this.#evidenceBytes > 0) yield* this.#judge()
    if (this.#decoding) yield this.#decoding.end()
  }

  *#begin(): Generator<string, void, void> {
    const start = this.#start ?? Buffer.alloc(0)
    this.#start = undefined
    const marked = marks.find(([, mark]) => mark.every((byte, index) => start[index] === byte))
    const encoding = this.#options.encoding ?? marked?.[0]
    if (encoding !== undefined) this.#decoding = decodingOf(encoding)
    yield* this.#decode(marked?.[0] === encoding ? start.subarray(marked?.[1].length ?? 0) : start)
  }

  *#decode(bytes: Buffer): Generator<string, void, void> {
    if (this.#decoding) yield this.#decoding.write(bytes)
    else if (this.#evidenceBytes === 0 && isAscii(bytes)) yield bytes.toString('latin1')
    else yield* this.#weigh(bytes)
  }

  *#weigh(bytes: Buffer): Generator<string, void, void> {
    const from = this.#evidenceBytes > 0 ? 0 : bytes.findIndex((byte) => byte > 127)
    if (from > 0) yield bytes.toString('latin1', 0, from)
    this.#evidence.push(bytes.subarray(from))
    this.#evidenceBytes += bytes.length - from
    if (this.#evidenceBytes >= EVIDENCE_BYTES) yield* this.#judge()
  }

  *#judge(): Generator<string, void, void> {
    const bytes = Buffer.concat(this.#evidence)
    this.#evidence = []
    this.#evidenceBytes = 0
    const isLatin1 = looksLikeLatin1(bytes.subarray(0, EVIDENCE_BYTES))
    if (isLatin1) this.#options.onLatin1?.()
    this.#decoding = decodingOf(isLatin1 ? 'latin1' : 'utf-8')
    yield this.#decoding.write(bytes)
  }
}

/** A few broken bytes among many sequences of UTF-8 are damage, and each costs its own row. */
function looksLikeLatin1(bytes: Buffer): boolean {
  if (isUtf8(bytes)) return false
  // As a stream: a sequence that is cut off at the end is no evidence.
  const text = new TextDecoder('utf-8').decode(bytes, { stream: true })
  const foreign = text.match(/[^\0-\u007f]/gu)?.length ?? 0
  const broken = text.match(/\ufffd/g)?.length ?? 0
  return broken > foreign - broken
}

function decodingOf(encoding: Encoding): TextDecoding {
  if (encoding === 'utf-8') return new StringDecoder('utf8')
  if (encoding === 'latin1') return { write: windows1252, end: () => '' }
  const decoder = new TextDecoder(encoding)
  return { write: (bytes) => decoder.decode(bytes, { stream: true }), end: () => decoder.decode() }
}

// What calls itself Latin-1 is this, with quotes, dashes and the euro where ISO 8859-1 has control characters.
const between80And9f = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

function windows1252(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[\u0080-\u009f]/g, (control) => between80And9f[control.charCodeAt(0) - 0x80] ?? control)
}
