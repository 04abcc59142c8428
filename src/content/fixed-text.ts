// Text of a template that stands in every message: its lines are encoded once, for each encoding that is asked for.
// Its first line depends on what stands before it, so that it is kept as text.

import { Draft } from './draft.js'
import { writeEncoded, writePlain } from './line-encoding.js'

/** The text of a body, in its order. */
export type BodyText = string | readonly (string | FixedText)[]

export interface EncodedLines {
  readonly bytes: Buffer
  /** How far the last of them has come. */
  readonly column: number
}

export class FixedText {
  readonly text: string
  /** Its first line, with the end of it. */
  readonly head: string
  readonly #rest: string
  #plain: EncodedLines | undefined | 'not asked' = 'not asked'
  #encoded: EncodedLines | undefined

  constructor(text: string, headLength: number) {
    this.text = text
    this.head = text.slice(0, headLength)
    this.#rest = text.slice(headLength)
  }

  /** The lines after the head as they are; undefined when they may not go out so. */
  get plain(): EncodedLines | undefined {
    if (this.#plain === 'not asked') this.#plain = this.#write((draft) => writePlain(draft, this.#rest))
    return this.#plain
  }

  /** The lines after the head in quoted-printable; what follows decides on a blank at their end. */
  get encoded(): EncodedLines {
    this.#encoded ??= this.#write((draft) => {
      writeEncoded(draft, this.#rest)
      return true
    })
    return this.#encoded ?? { bytes: Buffer.alloc(0), column: 0 }
  }

  #write(write: (draft: Draft) => boolean): EncodedLines | undefined {
    const draft = new Draft(this.#rest.length + 64)
    return write(draft) ? { column: draft.column, bytes: draft.take() } : undefined
  }
}

/** The same text, as what is encoded once where that is worth it. */
export function fixedText(text: string): string | FixedText {
  // A line end or a character that goes on in what follows is only known together with it.
  if (/[\r\ud800-\udbff]$/.test(text)) return text
  const lineEnd = /\r\n|\r|\n/.exec(text)
  const headLength = lineEnd ? lineEnd.index + lineEnd[0].length : text.length
  return headLength < text.length ? new FixedText(text, headLength) : text
}

export function textOfBody(body: BodyText): string {
  if (typeof body === 'string') return body
  return body.map((piece) => (typeof piece === 'string' ? piece : piece.text)).join('')
}
