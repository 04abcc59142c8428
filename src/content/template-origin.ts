// Where a piece of a template that was put together from several files stood in its own file.

import type { TemplatePlace } from './template-error.js'

/** From `from` on, the text is that of `file` from `at` on. Offsets are in characters. */
export interface Origin {
  readonly from: number
  readonly file: string
  readonly source: string
  readonly at: number
}

/** The place in its file of a line and column of the whole; undefined for a template with one source only. */
export function originOf(
  origins: readonly Origin[],
  whole: string,
  line: number,
  column: number,
): TemplatePlace | undefined {
  const offset = offsetOf(whole, line, column)
  const origin = origins.findLast((candidate) => candidate.from <= offset)
  return origin && { template: origin.file, ...placeOf(origin.source, origin.at + offset - origin.from) }
}

function offsetOf(text: string, line: number, column: number): number {
  let start = 0
  for (let passed = 1; passed < line; passed++) start = text.indexOf('\n', start) + 1
  return start + column - 1
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') }
}
