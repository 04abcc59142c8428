// Three rows of many to look at before they are mailed: where a template goes wrong is seldom the row it was written for.

import type { Row } from '../../queue/row.js'

export interface Sample {
  readonly line: number
  readonly row: Row
  /** Why this one: `first`, `most empty fields`, `longest`, or none in particular. */
  readonly why: string
}

interface Candidate {
  readonly line: number
  readonly row: Row
}

const SAMPLES = 3

/** The first row, the one with the most empty fields and the longest; others from the beginning where they coincide. */
export class Samples {
  readonly #early: Candidate[] = []
  #emptiest: (Candidate & { readonly empty: number }) | undefined
  #longest: (Candidate & { readonly length: number }) | undefined

  offer(line: number, row: Row): void {
    const values = Object.values(row)
    const empty = values.filter((value) => value === '' || value === null).length
    const length = values.reduce((sum: number, value) => sum + lengthOf(value), 0)
    if (this.#early.length < SAMPLES) this.#early.push({ line, row })
    if (empty > (this.#emptiest?.empty ?? 0)) this.#emptiest = { line, row, empty }
    if (length > (this.#longest?.length ?? 0)) this.#longest = { line, row, length }
  }

  /** At most three, in the order of the file. */
  chosen(): Sample[] {
    const [first, ...others] = this.#early
    const wanted: readonly (readonly [Candidate | undefined, string])[] = [
      [first, 'first'],
      [this.#emptiest, 'most empty fields'],
      [this.#longest, 'longest'],
      ...others.map((candidate) => [candidate, ''] as const),
    ]
    const samples = new Map<number, Sample>()
    for (const [candidate, why] of wanted) {
      if (candidate === undefined || samples.size === SAMPLES || samples.has(candidate.line)) continue
      samples.set(candidate.line, { line: candidate.line, row: candidate.row, why })
    }
    return [...samples.values()].sort((a, b) => a.line - b.line)
  }
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 10
}
