// The lines of a text file one after the other, numbered, read no faster than they are taken.
// A line that was taken may be put back, so that a broken record costs its own line and no more.

import { createReadStream, type ReadStream } from 'node:fs'
import { UsageError, unreadable } from '../failure.js'

export interface Line {
  /** With its line break. */
  readonly text: string
  /** From 1. */
  readonly number: number
}

const maxLineLength = 1024 * 1024
// After LF, and after a CR that no LF follows.
const afterBreak = /(?<=\n|\r(?!\n))/
const byteOrderMark = '\ufeff'
const undecodable = '\ufffd'

export class LineReader {
  readonly #path: string
  readonly #stream: ReadStream
  readonly #chunks: AsyncIterator<string>
  /** Lines at hand, the next one last. */
  #ready: Line[] = []
  #rest = ''
  #lineCount = 0
  #ended = false
  #bytesTaken = 0

  constructor(path: string) {
    this.#path = path
    this.#stream = createReadStream(path, { encoding: 'utf8' })
    this.#chunks = this.#stream[Symbol.asyncIterator]() as AsyncIterator<string>
  }

  /** Bytes of the lines that were taken; what is read ahead does not count. */
  get bytesTaken(): number {
    return this.#bytesTaken
  }

  async next(): Promise<Line | undefined> {
    while (this.#ready.length === 0 && !this.#ended) await this.#readChunk()
    const line = this.#ready.pop()
    if (line) this.#bytesTaken += Buffer.byteLength(line.text)
    return line
  }

  /** Puts lines back, in the order in which they were taken. */
  unread(lines: readonly Line[]): void {
    for (const line of lines) this.#bytesTaken -= Buffer.byteLength(line.text)
    this.#put(lines)
  }

  close(): void {
    this.#stream.destroy()
  }

  async #readChunk(): Promise<void> {
    const chunk = await this.#chunks.next().catch((cause: unknown) => {
      throw unreadable(this.#path, cause)
    })
    this.#ended = chunk.done === true
    const text = chunk.done
      ? ''
      : this.#lineCount === 0 && this.#rest === ''
        ? this.#checkStart(chunk.value)
        : chunk.value
    const pieces = (this.#rest + text).split(afterBreak)
    // The last piece may go on in the next chunk, even when it ends with CR.
    this.#rest = this.#ended ? '' : (pieces.pop() ?? '')
    if (this.#rest.length > maxLineLength)
      throw this.#notText(`line ${this.#lineCount + pieces.length + 1} has no end`)
    const lines = pieces
      .filter((piece) => piece !== '')
      .map((piece) => ({ text: piece, number: ++this.#lineCount }))
    this.#put(lines)
  }

  #put(lines: readonly Line[]): void {
    for (const line of lines.toReversed()) this.#ready.push(line)
  }

  #checkStart(text: string): string {
    if (text.startsWith(undecodable.repeat(2)) || text.includes('\0'))
      throw this.#notText('it is UTF-16 or no text at all')
    return text.startsWith(byteOrderMark) ? text.slice(1) : text
  }

  #notText(problem: string): UsageError {
    return new UsageError(
      `${this.#path} is no CSV that can be read: ${problem}; save it as "CSV UTF-8"`,
      'read_error',
    )
  }
}
