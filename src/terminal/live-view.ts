// Lines that are drawn anew in their place on a terminal, as often as they change. The last ones stay when it ends.
// It hides no cursor and changes no mode, so that whatever ends the process leaves the terminal as it was.

import { stripVTControlCharacters } from 'node:util'
import type { Output } from './output.js'
import { widthOf } from './text.js'

export interface LiveView {
  /** Draws these lines in place of the last ones; what does not fit the height of the terminal is left out. */
  draw(lines: readonly string[]): void
}

const DEFAULT_ROWS = 24
const DEFAULT_COLUMNS = 80
const clearToEndOfLine = '\u001b[K'
const clearBelow = '\u001b[J'

export function openLiveView(output: Output): LiveView {
  let drawn: readonly string[] = []

  function back(): string {
    const columns = output.columns || DEFAULT_COLUMNS
    // A terminal that was made narrower has broken the lines that are there.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(cellsOf(line) / columns)), 0)
    return rows === 0 ? '' : `\r\u001b[${rows}A`
  }

  return {
    draw(lines) {
      const shown = fitted(lines, (output.rows || DEFAULT_ROWS) - 1)
      const text = shown.map((line) => `${line}${clearToEndOfLine}\n`).join('')
      // In one write, so that no half of it is seen.
      output.write(back() + text + clearBelow)
      drawn = shown
    },
  }
}

function fitted(lines: readonly string[], rows: number): readonly string[] {
  return lines.length <= rows ? lines : [...lines.slice(0, Math.max(0, rows - 1)), '…']
}

function cellsOf(line: string): number {
  return widthOf(stripVTControlCharacters(line))
}
