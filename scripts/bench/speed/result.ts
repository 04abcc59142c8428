// The result as a whole: what was measured, where, when and how; and where the one that the README shows is kept.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COLUMNS } from '../command.js'
import { type Measured, type Result, resultOf, resultTable, wrapped } from './report.js'
import type { Bench, Side } from './row.js'
import { sizeOf } from './sizes.js'
import type { Verified } from './verify.js'
import { machine, versions } from './versions.js'

export interface Made {
  readonly bench: Bench
  readonly sides: readonly Side[]
  readonly runs: number
  readonly verified: readonly Verified[]
  readonly measured: readonly Measured[]
}

export const resultPath = join(import.meta.dirname, 'result.json')

export function makeResult({ bench, sides, runs, verified, measured }: Made): Result {
  return {
    rows: measured.map(resultOf),
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: versions(),
    pace: bench.full ? 'full' : bench.quick ? 'quick' : 'usual',
    runs,
    warmUp: warmUpOf(bench, sides),
    bytes: Object.fromEntries(verified.map(({ name, bytes }) => [name, Math.round(bytes)])),
  }
}

/** How many messages of a run are not timed, and how many are. */
function warmUpOf(bench: Bench, sides: readonly Side[]): string {
  const each = sides.flatMap(({ name, size, absent }) => {
    if (size === undefined || absent?.(bench) !== undefined) return []
    const { warmUp, timed } = sizeOf(bench, size)
    return [`${name} ${warmUp} + ${timed}`]
  })
  return `Messages that warm up + those that are timed: ${each.join('; ')}.`
}

/** All of it, for people. */
export function resultLines(result: Result): string[] {
  const { rows, bytes, warmUp, runs } = result
  const list = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`)
  const sizes = Object.entries(bytes).map(([name, size]) => `${name} ${size}`)
  const lines = [result.machine, list.join(', ')].flatMap((text) => wrapped(text))
  return [
    ...lines.map((line) => line.trimStart().slice(0, COLUMNS)),
    '',
    ...resultTable(rows),
    '',
    ...wrapped(runs === 1 ? 'One run.' : `Medians of ${runs} runs; below them the lowest and the highest.`),
    ...wrapped(`CPU: of the sending process and, after the +, of Redis; milliseconds a message.`),
    ...wrapped(`Every message of a first look was right. Bytes of one: ${sizes.join('; ')}.`),
    ...wrapped(warmUp),
  ]
}

export function saveResult(result: Result): void {
  writeFileSync(resultPath, `${JSON.stringify(result, null, 2)}\n`)
}

export function savedResult(): Result {
  return JSON.parse(readFileSync(resultPath, 'utf8'))
}
