// On which line of its file each of the last rows begins, by its place among all: the queue speaks of rows by that.

/** Far more than the queue reads ahead. */
const KEPT = 64 * 1024

export class LinesOfRows {
  readonly #lines = new Float64Array(KEPT)
  #count = 0

  add(line: number): void {
    this.#lines[this.#count % KEPT] = line
    this.#count += 1
  }

  /** undefined for a row that was too long ago, or is still to come. */
  of(ordinal: number): number | undefined {
    if (ordinal >= this.#count || ordinal < this.#count - KEPT) return undefined
    return this.#lines[ordinal % KEPT]
  }
}
