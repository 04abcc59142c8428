// The bytes of a file or of standard input, unpacked where they are gzip, whatever the name says.
// They are read no faster than they are taken, and only once, so that a pipe will do.

import { statSync } from 'node:fs'
import { type Duplex, pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { messageOf } from '../../errors.js'
import type { Input } from '../context.js'
import { UsageError, unreadable } from '../failure.js'
import { openStream } from '../options.js'

export interface ByteSource extends Disposable {
  /** What messages call it. */
  readonly name: string
  readonly chunks: AsyncIterable<Buffer>
  /** How much has been read, from 0 to 1; undefined where nobody knows how much there is. */
  readonly share: number | undefined
}

export interface SourceOptions {
  /** What `-` stands for. */
  readonly stdin?: Input
  /** Ends the reading, even of a pipe that nobody writes to. */
  readonly signal?: AbortSignal
}

/** @throws UsageError when the file is not there */
export function openSource(path: string, { stdin, signal }: SourceOptions = {}): ByteSource {
  const isInput = path === '-' && stdin !== undefined
  const name = isInput ? 'standard input' : path
  const size = isInput ? undefined : sizeOf(path)
  const stream = isInput ? stdin : openStream(path)
  const stop = () => void stream.destroy()
  if (signal?.aborted) stop()
  else signal?.addEventListener('abort', stop, { once: true })
  let bytesRead = 0
  const count = (bytes: number) => {
    bytesRead += bytes
  }
  return {
    name,
    chunks: unpacked(name, counted(name, stream, count)),
    get share() {
      return size === undefined ? undefined : Math.min(1, bytesRead / size)
    },
    [Symbol.dispose]() {
      signal?.removeEventListener('abort', stop)
      stop()
    },
  }
}

/** Of a pipe or a device it is not known. */
function sizeOf(path: string): number | undefined {
  try {
    const found = statSync(path)
    return found.isFile() && found.size > 0 ? found.size : undefined
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

async function* counted(
  name: string,
  stream: AsyncIterable<string | Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer, void, void> {
  try {
    for await (const chunk of stream) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      count(bytes.length)
      if (bytes.length > 0) yield bytes
    }
  } catch (cause) {
    throw unreadable(name, cause)
  }
}

async function* unpacked(
  name: string,
  chunks: AsyncGenerator<Buffer, void, void>,
): AsyncGenerator<Buffer, void, void> {
  const start = await takeStart(chunks)
  const all = continued(start, chunks)
  if (start[0] === 0x1f && start[1] === 0x8b) yield* gunzipped(name, all)
  else yield* all
}

/** At least two bytes, unless there are fewer. */
async function takeStart(chunks: AsyncGenerator<Buffer, void, void>): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0)
  while (start.length < 2) {
    const next = await chunks.next()
    if (next.done) break
    start = Buffer.concat([start, next.value])
  }
  return start
}

async function* continued(start: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  if (start.length > 0) yield start
  yield* rest
}

async function* gunzipped(name: string, packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  // What goes wrong comes out of the iteration below.
  const unzip: Duplex = pipeline(Readable.from(packed), createGunzip(), () => undefined)
  try {
    yield* unzip as AsyncIterable<Buffer>
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    const { code } = cause as { code?: string }
    const problem =
      code === 'Z_BUF_ERROR' ? 'its end is missing' : `it cannot be unpacked: ${messageOf(cause)}`
    throw new UsageError(`${name} is a gzip file that is not whole: ${problem}`, 'read_error', cause)
  } finally {
    unzip.destroy()
  }
}
