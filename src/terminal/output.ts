// A stream that may be a terminal, and what is written to it.

import type { Writable } from 'node:stream'

export type Output = Writable & {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Nothing of ours is wider, however wide the terminal. */
const MAX_COLUMNS = 80
const MIN_COLUMNS = 40

export function columnsOf(output: Output): number {
  return Math.max(MIN_COLUMNS, Math.min(output.columns || MAX_COLUMNS, MAX_COLUMNS))
}

export function say(output: Output, line = ''): void {
  output.write(`${line}\n`)
}
