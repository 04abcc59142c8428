// The compiled contents that a worker keeps: each is loaded and compiled once, and the least used go first.
// What is kept is bounded in bytes, since one content may carry 25 MB of attachments.

import { FluxMailError, guarded } from '../errors.js'
import { type CompiledContent, compileContent, parseContent } from './compile.js'
import type { Content } from './content.js'

export interface ContentSource {
  get(hash: string): Promise<string | undefined>
  file(hash: string): Promise<Buffer | undefined>
}

export interface CompiledContents {
  /** @throws FluxMailError `content_missing`, `invalid_payload`, `template_error`, `css_inline_failed` */
  get(hash: string): Promise<CompiledContent>
}

interface Kept {
  readonly compiled: Promise<CompiledContent>
  bytes: number
}

/** Compiled contents that are kept, by their size in Redis; one is kept whatever its size. */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_CONTENTS = 500

export function createCompiledContents(source: ContentSource): CompiledContents {
  // A Map keeps its order of insertion: what is used is put at the end, what goes is taken from the front.
  const kept = new Map<string, Kept>()
  let total = 0

  const drop = (hash: string) => {
    total -= kept.get(hash)?.bytes ?? 0
    kept.delete(hash)
  }
  const trim = () => {
    for (const hash of kept.keys()) {
      if (kept.size <= 1 || (total <= MAX_BYTES && kept.size <= MAX_CONTENTS)) return
      drop(hash)
    }
  }
  const load = (hash: string): Kept => {
    const entry: Kept = {
      bytes: 0,
      compiled: loadContent(source, hash).then(({ compiled, bytes }) => {
        if (kept.get(hash) === entry) {
          entry.bytes = bytes
          total += bytes
          trim()
        }
        return compiled
      }),
    }
    entry.compiled.catch(() => {
      if (kept.get(hash) === entry) drop(hash)
    })
    return entry
  }

  return {
    get(hash) {
      const entry = kept.get(hash) ?? load(hash)
      kept.delete(hash)
      kept.set(hash, entry)
      return entry.compiled
    },
  }
}

async function loadContent(
  source: ContentSource,
  hash: string,
): Promise<{ compiled: CompiledContent; bytes: number }> {
  const json = await source.get(hash)
  if (json === undefined)
    throw new FluxMailError('content_missing', `content ${hash.slice(0, 12)}… is not in Redis any more`)
  // What is wrong with a content stays wrong: without a code its deliveries would be tried again for ever.
  const content = guarded('invalid_payload', 'the content', () => parseContent(JSON.parse(json) as unknown))
  const files = await loadFiles(source, content)
  const compiled = guarded('invalid_payload', 'the content', () =>
    compileContent(content, (file) => {
      const bytes = files.get(file)
      if (bytes === undefined) throw new TypeError(`file ${file} was not loaded`)
      return bytes
    }),
  )
  const bytes = [...files.values()].reduce((sum, file) => sum + file.length, json.length)
  return { compiled: codedRender(compiled), bytes }
}

function codedRender({ sender, render }: CompiledContent): CompiledContent {
  return { sender, render: (input) => guarded('invalid_payload', 'the content', () => render(input)) }
}

async function loadFiles(source: ContentSource, content: Content): Promise<Map<string, Buffer>> {
  const refs = content.kind === 'raw' ? [content.message] : [...content.attachments, ...content.inlineImages]
  const hashes = new Set(refs.map((file) => file.hash))
  const files = new Map<string, Buffer>()
  for (const hash of hashes) {
    const bytes = await source.file(hash)
    if (bytes === undefined)
      throw new FluxMailError('content_missing', `file ${hash.slice(0, 12)}… is not in Redis any more`)
    files.set(hash, bytes)
  }
  return files
}
