// HTML that is nested deeper than any mail: what reads it would take seconds or run out of stack.

import { type ErrorCode, FluxMailError } from '../errors.js'

const MAX_DEPTH = 1_000
const tag = /<(\/?)([a-z][^\s>/]*)/gi
/** Elements without an end tag, and those whose next one ends them. */
const neverOpen = new Set(
  'area base br col dd dt embed hr img input li link meta option p source td th tr track wbr'.split(' '),
)

/** @throws FluxMailError `code` */
export function refuseDeepHtml(html: string, code: ErrorCode): void {
  let depth = 0
  for (const [, slash, name = ''] of html.matchAll(tag)) {
    if (neverOpen.has(name.toLowerCase())) continue
    depth = slash === '/' ? Math.max(0, depth - 1) : depth + 1
    if (depth > MAX_DEPTH) {
      throw new FluxMailError(
        code,
        `the HTML is nested more than ${MAX_DEPTH} elements deep; look for tags that are never closed`,
      )
    }
  }
}
