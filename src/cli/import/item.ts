// What a file of rows holds, one after the other: rows with the line on which each begins, and what is none.

import type { Row } from '../../queue/row.js'

/** A row whose address has not been looked at yet. */
export interface SourceRow {
  readonly line: number
  readonly row: Row
}

/** What cannot be a delivery. The queue gets it in place of its row, and counts it as rejected. */
export class BrokenRow {
  readonly line: number
  readonly reason: string
  /** What stands on that line, or its beginning. */
  readonly text: string

  constructor(line: number, reason: string, text: string) {
    this.line = line
    this.reason = reason
    this.text = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
  }
}

const MAX_TEXT = 1000

export type Item = SourceRow | BrokenRow

/** Text as it may stand in a To header: one line, without spaces at its ends. */
export function tidy(text: string): string {
  return /^\s|\s$|\s\s|[^\S ]/.test(text) ? text.trim().replace(/\s+/g, ' ') : text
}
