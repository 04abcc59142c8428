// `fluxmail suppress list`: the newest suppressions, or what holds for the addresses that are named.
// There may be a million of them: only those that are shown are kept in memory.

import type { Suppression } from '../queue/suppressions.js'
import { cut, formatCount, padEnd, visible, widthOf } from '../terminal/text.js'
import { type Context, columnsOf, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { openQueue } from './open-queue.js'
import { instant } from './status-lines.js'
import { type SuppressOptions, sayWrapped, suppressionText } from './suppress.js'

export interface SuppressListOptions extends SuppressOptions {
  readonly limit?: number
  readonly reason?: string
}

const DEFAULT_LIMIT = 20

export async function listSuppressions(options: SuppressListOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  if (options.addresses.length > 0) {
    const { suppressions } = queue
    const found = await Promise.all(options.addresses.map((address) => suppressions.get(address)))
    return sayNamed(found, options, context)
  }
  const newest = new Newest(options.limit ?? DEFAULT_LIMIT)
  for await (const suppression of queue.suppressions.list()) {
    if (context.signal.aborted) return exitCodes.interrupted
    if (options.reason === undefined || options.reason === suppression.reason) newest.add(suppression)
  }
  const shown = newest.all()
  const lines = options.json ? [JSON.stringify(shown)] : tableOf(shown, newest.count, context)
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}

function sayNamed(
  found: readonly (Suppression | undefined)[],
  { addresses, json }: SuppressListOptions,
  context: Context,
): ExitCode {
  if (json) say(context.stdout, JSON.stringify(found.filter((each) => each !== undefined)))
  else {
    for (const [at, address] of addresses.entries()) {
      const suppression = found[at]
      const text = suppression ? textFor(address, suppression) : `${visible(address)} is not suppressed`
      sayWrapped(context, text)
    }
  }
  return exitCodes.done
}

/** Of an address that is suppressed with its whole domain, both are named. */
function textFor(address: string, suppression: Suppression): string {
  const isWhole = suppression.address.startsWith('@') && !address.startsWith('@')
  return isWhole ? `${visible(address)}: ${suppressionText(suppression)}` : suppressionText(suppression)
}

/** The newest of many, each address once. */
class Newest {
  readonly #limit: number
  #kept = new Map<string, Suppression>()
  #count = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** How many there were; one that is written meanwhile may be counted twice. */
  get count(): number {
    return this.#count
  }

  add(suppression: Suppression): void {
    this.#count += 1
    this.#kept.set(suppression.address, suppression)
    if (this.#kept.size > 2 * this.#limit + 1_000) this.#prune()
  }

  all(): Suppression[] {
    this.#prune()
    return [...this.#kept.values()]
  }

  #prune(): void {
    const sorted = [...this.#kept.values()].toSorted((a, b) => b.since.getTime() - a.since.getTime())
    this.#kept = new Map(sorted.slice(0, this.#limit).map((each) => [each.address, each]))
  }
}

const GAP = '  '

function tableOf(shown: readonly Suppression[], count: number, { stdout, env }: Context): string[] {
  if (count === 0) return ['nothing is suppressed']
  const columns = columnsOf(stdout)
  const paint = paintFor(stdout, env)
  const rows = shown.map(({ address, reason, code, since, expiresAt }) => [
    visible(address),
    visible(code === undefined ? reason : `${reason} ${code}`),
    dayOf(since),
    expiresAt ? dayOf(expiresAt) : '–',
  ])
  const table = linesOf([['address', 'reason', 'since', 'until'], ...rows], columns)
  const more = count - shown.length
  const rest = `and ${formatCount(more)} more: --limit, or all of them with \`fluxmail suppress export\``
  return [
    ...table.map((line, at) => (at === 0 ? paint('bold', line) : line)),
    ...(more > 0 ? ['', rest] : []),
  ]
}

function dayOf(date: Date): string {
  return instant(date).slice(0, 'YYYY-MM-DD'.length)
}

/** Addresses are never cut, since they are there to be copied; one that is too long has a line to itself. */
function linesOf(rows: readonly (readonly string[])[], columns: number): string[] {
  const widths = [1, 2, 3].map((at) => Math.max(...rows.map((row) => widthOf(row[at] ?? ''))))
  const [reasons = 0, ...dates] = widths
  const datesWidth = dates.reduce((sum, width) => sum + GAP.length + width, 0)
  const reasonWidth = Math.min(reasons, Math.max(12, Math.floor(columns / 3)))
  const room = Math.max(20, columns - GAP.length - reasonWidth - datesWidth)
  const fitting = rows.map(([address = '']) => widthOf(address)).filter((width) => width <= room)
  const addressWidth = Math.max(...fitting)
  return rows.flatMap(([address = '', reason = '', ...days]) => {
    const cells = days.map((day, at) => padEnd(day, dates[at] ?? 0))
    const facts = GAP + padEnd(cut(reason, reasonWidth), reasonWidth) + GAP + cells.join(GAP)
    if (widthOf(address) > addressWidth) return [address, (' '.repeat(addressWidth) + facts).trimEnd()]
    return [(padEnd(address, addressWidth) + facts).trimEnd()]
  })
}
