// The files of rows that a worker keeps encoded: each is loaded and encoded once, and the least used go first.
// What is kept is bounded in bytes; what is loaded for several recipients at the same time is loaded once.

import { FluxMailError } from '../errors.js'
import type { FileRef } from './content.js'
import { base64Lines, type EncodedFile } from './mime.js'

export interface EncodedFiles {
  /** @throws FluxMailError `content_missing` */
  get(files: readonly FileRef[]): Promise<EncodedFile[]>
}

/** One is kept whatever its size. */
const MAX_BYTES = 64 * 1024 * 1024

interface Kept {
  readonly lines: Promise<Buffer>
  bytes: number
}

export function createEncodedFiles(
  source: { file(hash: string): Promise<Buffer | undefined> },
  maxBytes = MAX_BYTES,
): EncodedFiles {
  // A Map keeps its order of insertion: what is used is put at the end, what goes is taken from the front.
  const kept = new Map<string, Kept>()
  let total = 0

  const drop = (hash: string) => {
    total -= kept.get(hash)?.bytes ?? 0
    kept.delete(hash)
  }
  const keep = (hash: string, entry: Kept, bytes: number) => {
    if (kept.get(hash) !== entry) return
    entry.bytes = bytes
    total += bytes
    for (const oldest of kept.keys()) {
      if (kept.size <= 1 || total <= maxBytes) return
      drop(oldest)
    }
  }
  const load = (hash: string): Kept => {
    const entry: Kept = { bytes: 0, lines: loadLines(source, hash) }
    entry.lines.then(
      ({ length }) => keep(hash, entry, length),
      () => kept.get(hash) === entry && drop(hash),
    )
    return entry
  }
  const linesOf = (hash: string): Promise<Buffer> => {
    const entry = kept.get(hash) ?? load(hash)
    kept.delete(hash)
    kept.set(hash, entry)
    return entry.lines
  }

  return {
    get: (files) => Promise.all(files.map(async (file) => ({ file, lines: await linesOf(file.hash) }))),
  }
}

async function loadLines(
  source: { file(hash: string): Promise<Buffer | undefined> },
  hash: string,
): Promise<Buffer> {
  const bytes = await source.file(hash)
  if (bytes !== undefined) return base64Lines(bytes)
  const message = `file ${hash.slice(0, 12)}… of the row is not in Redis any more`
  throw new FluxMailError('content_missing', message)
}
