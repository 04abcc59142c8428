// The lines of a text one after the other, numbered, read no faster than they are taken.
// A line that was taken may be put back, so that a broken record costs its own line and no more.

export interface Line {
  /** With its line break; of a line that is too long, its beginning. */
  readonly text: string
  /** From 1. */
  readonly number: number
  readonly isTooLong?: true
}

export const maxLineLength = 1024 * 1024
const kept = 1000

export class LineReader {
  readonly #chunks: AsyncIterator<string>
  /** Lines at hand, the next one last. */
  #ready: Line[] = []
  #rest = ''
  /** Whether the rest of a line that is too long is still to come. */
  #skipping = false
  #lineCount = 0
  #ended = false

  constructor(chunks: AsyncIterable<string>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Makes sure that `take` has a line; resolves to false at the end. */
  async fill(): Promise<boolean> {
    while (this.#ready.length === 0 && !this.#ended) {
      const chunk = await this.#chunks.next()
      this.#ended = chunk.done === true
      this.#split(chunk.done ? '' : chunk.value)
    }
    return this.#ready.length > 0
  }

  /** The next line of those that were read. */
  take(): Line | undefined {
    return this.#ready.pop()
  }

  /** Puts lines back, in the order in which they were taken. */
  unread(lines: readonly Line[]): void {
    for (let index = lines.length - 1; index >= 0; index -= 1) {
      const line = lines[index]
      if (line) this.#ready.push(line)
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  #split(chunk: string): void {
    const text = this.#rest + chunk
    const lines: Line[] = []
    let start = 0
    let lineFeed = text.indexOf('\n')
    let carriageReturn = text.indexOf('\r')
    for (;;) {
      if (lineFeed >= 0 && lineFeed < start) lineFeed = text.indexOf('\n', start)
      if (carriageReturn >= 0 && carriageReturn < start) carriageReturn = text.indexOf('\r', start)
      const end = endOf(text, lineFeed, carriageReturn, this.#ended)
      if (end < 0) break
      this.#add(lines, text.slice(start, end))
      start = end
    }
    this.#rest = text.slice(start)
    if (this.#ended && (this.#rest !== '' || this.#skipping)) this.#add(lines, this.#rest)
    else if (this.#rest.length > maxLineLength) this.#skip(lines)
    else if (this.#skipping) this.#rest = halfBreak(this.#rest)
    this.unread(lines)
  }

  #add(lines: Line[], text: string): void {
    if (this.#skipping) this.#skipping = false
    else lines.push(this.#numbered(text))
  }

  #numbered(text: string): Line {
    this.#lineCount += 1
    const number = this.#lineCount
    return text.length > maxLineLength
      ? { text: text.slice(0, kept), number, isTooLong: true }
      : { text, number }
  }

  #skip(lines: Line[]): void {
    if (!this.#skipping) lines.push(this.#numbered(this.#rest))
    this.#rest = halfBreak(this.#rest)
    this.#skipping = true
  }
}

/** A CR at the end may be the first half of a line break, and is needed to see it. */
function halfBreak(text: string): string {
  return text.endsWith('\r') ? '\r' : ''
}

/** Where the line ends that a line feed, a carriage return or both break; -1 where more is to come. */
function endOf(text: string, lineFeed: number, carriageReturn: number, isLast: boolean): number {
  if (carriageReturn < 0 || (lineFeed >= 0 && lineFeed < carriageReturn)) return lineFeed + 1 || -1
  if (carriageReturn === text.length - 1 && !isLast) return -1
  return lineFeed === carriageReturn + 1 ? lineFeed + 1 : carriageReturn + 1
}
