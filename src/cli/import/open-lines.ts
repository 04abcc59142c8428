// A file or standard input opened as lines, and what its reader makes of them; closed together.
// What cannot be read as what it should be leaves nothing open.

import { type DecodeOptions, decode } from './decode.js'
import { LineReader } from './lines.js'
import { openSource, type SourceOptions } from './source.js'

export interface OpenLines extends AsyncDisposable {
  /** What messages call it. */
  readonly name: string
  /** How much has been read, from 0 to 1; undefined where nobody knows how much there is. */
  readonly share: number | undefined
}

/** Opens a file, `-` for standard input. Throws UsageError when it is not there, and what `open` throws. */
export async function openLines<Reader extends object>(
  path: string,
  options: DecodeOptions & SourceOptions,
  open: (name: string, lines: LineReader) => Promise<Reader>,
): Promise<Reader & OpenLines> {
  const source = openSource(path, options)
  const lines = new LineReader(decode(source.chunks, options))
  try {
    return {
      ...(await open(source.name, lines)),
      name: source.name,
      get share() {
        return source.share
      },
      async [Symbol.asyncDispose]() {
        source[Symbol.dispose]()
        await lines.close()
      },
    }
  } catch (error) {
    source[Symbol.dispose]()
    throw error
  }
}
