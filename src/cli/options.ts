// Values of the command line that are more than a word; what is wrong with one is said with its flag.

import { accessSync, constants, createReadStream, fstatSync, openSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { unlessAborted } from '../linked-signal.js'
import type { Context } from './context.js'
import { UsageError, unreadable } from './failure.js'

/** As much as the files of one email. */
const MAX_TEXT_BYTES = 25 * 1024 * 1024

/** Repeats of a flag and several values after one, in one list. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

export function wholeNumber(
  flag: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= min && number <= max) return number
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`
    throw new UsageError(`${flag} takes a whole number ${range}, not "${text}"`)
  }
}

export function positiveNumber(flag: string, min = 0): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (text.trim() !== '' && Number.isFinite(number) && number >= min) return number
    throw new UsageError(`${flag} takes a number of ${min} or more, not "${text}"`)
  }
}

/** `cid=path` pairs as the library takes them. */
export function parseInlineImages(pairs: readonly string[] | undefined): Record<string, string> | undefined {
  if (pairs === undefined) return undefined
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at > 0 && at < pair.length - 1) return [pair.slice(0, at), pair.slice(at + 1)]
      throw new UsageError(`--inline-image takes cid=path, as in logo=logo.png, not "${pair}"`)
    }),
  )
}

/** `Name: value` lines as the library takes them. */
export function parseHeaderLines(
  lines: readonly string[] | undefined,
): { name: string; value: string }[] | undefined {
  return lines?.map((line) => {
    const [, name, value] = /^([^:\s]+):\s*(.*)$/s.exec(line) ?? []
    if (name !== undefined && value !== undefined) return { name, value }
    throw new UsageError(`--header takes 'Name: value', as in 'X-Campaign: spring', not "${line}"`)
  })
}

/** A text file that the command line names, or standard input for `-`; undefined once the command is interrupted. */
export async function readTextFile(path: string, { stdin, signal }: Context): Promise<string | undefined> {
  const stream = path === '-' ? stdin : openStream(path)
  const text = await unlessAborted(readText(path, stream), signal)
  if (text === undefined) stream.destroy()
  return text
}

/** Opening a pipe that nobody writes to would hold a thread, and with it the end of the process. */
export function openStream(path: string): Readable {
  try {
    const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    return fstatSync(fd).isFIFO() ? new Socket({ fd, writable: false }) : createReadStream(path, { fd })
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

async function readText(path: string, stream: AsyncIterable<string | Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk)
      length += bytes.length
      if (length > MAX_TEXT_BYTES) break
      chunks.push(bytes)
    }
  } catch (cause) {
    throw unreadable(path, cause)
  }
  if (length <= MAX_TEXT_BYTES) return Buffer.concat(chunks).toString('utf8')
  throw new UsageError(
    `${path} is larger than ${MAX_TEXT_BYTES} bytes, which is too much for a body`,
    'read_error',
  )
}

/** @throws UsageError when a file that the command line names cannot be read */
export function requireFile(path: string): void {
  let isFile: boolean
  try {
    isFile = statSync(path).isFile()
    accessSync(path, constants.R_OK)
  } catch (cause) {
    throw unreadable(path, cause)
  }
  if (!isFile) throw new UsageError(`${path} cannot be read: it is not a file`, 'read_error')
}

/** What was given, without what was not: the library tells `undefined` from absent. */
export function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
