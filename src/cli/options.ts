// Values of the command line that are more than a word; what is wrong with one is said with its flag.

import { readFileSync } from 'node:fs'
import { UsageError, unreadable } from './failure.js'

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

/** A text file that the command line names. */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

/** @throws UsageError when a file that the command line names cannot be read */
export function requireFile(path: string): void {
  readTextFile(path)
}

/** What was given, without what was not: the library tells `undefined` from absent. */
export function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
