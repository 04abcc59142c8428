// The identity of a content: SHA-256 over JSON with sorted keys, so that equal contents are stored once.

import { createHash } from 'node:crypto'
import type { Content } from './content.js'

/** SHA-256 in hex of the canonical JSON of a content. */
export function hashContent(content: Content): string {
  return createHash('sha256').update(JSON.stringify(content, sortKeys)).digest('hex')
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
