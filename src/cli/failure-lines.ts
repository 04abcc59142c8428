// Groups of failures as a person reads them, and single ones as a spreadsheet does.

import type { Failure, FailureGroup } from '../queue/failures.js'
import { formatCount, padEnd, padStart, visible, wrap } from '../terminal/text.js'
import { type Context, columnsOf, paintFor } from './context.js'
import { instant } from './status-lines.js'

const GAP = '  '
const NAME_WIDTH = 8

/** The largest group first: how many, its name, its code, what was said, and one recipient. */
export function groupLines(groups: readonly FailureGroup[], { stdout, env }: Context): string[] {
  const paint = paintFor(stdout, env)
  const counts = groups.map(({ count }) => formatCount(count))
  const countWidth = Math.max(5, ...counts.map(({ length }) => length))
  const codeWidth = Math.max(4, ...groups.map(({ code }) => code.length))
  const indent = countWidth + NAME_WIDTH + codeWidth + 3 * GAP.length
  const room = Math.max(24, columnsOf(stdout) - indent)
  const row = (count: string, name: string, code: string) =>
    [padStart(count, countWidth), padEnd(name, NAME_WIDTH), padEnd(code, codeWidth), ''].join(GAP)
  const lines = groups.flatMap((group, index) => {
    const [first = '', ...more] = wrap(visible(group.text) || '(nothing)', room)
    return [
      row(counts[index] ?? '', group.id, group.code) + first,
      ...more.map((line) => ' '.repeat(indent) + line),
      ...wrap(exampleOf(group), room).map((line) => ' '.repeat(indent) + paint('dim', line)),
    ]
  })
  return [paint('bold', `${row('count', 'group', 'code')}what was said, and an example`), ...lines]
}

function exampleOf({ example: { recipient, at } }: FailureGroup): string {
  return `${visible(recipient ?? '(unreadable)')}, ${instant(at)}`
}

export const csvHead = csvLine([
  'delivery',
  'recipient',
  'outcome',
  'code',
  'reply',
  'group',
  'relay',
  'attempts',
  'at',
  'message_id',
  'batch',
  'lane',
  'replays',
])

export function csvOf(failure: Failure): string {
  const { id, recipient, outcome, code, reply, group, relay, attempts, at, messageId, batch, lane, replays } =
    failure
  const facts = [id, recipient, outcome, code, reply, group.id, relay, attempts, at.toISOString()]
  return csvLine([...facts, messageId, batch, lane, replays])
}

/** RFC 4180, without its line break. */
export function csvLine(fields: readonly (string | number | undefined)[]): string {
  return fields.map((field) => csvField(String(field ?? ''))).join(',')
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
