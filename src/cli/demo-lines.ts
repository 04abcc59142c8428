// What a person reads of the demo: what runs where, and what it came to.

import type { Sink } from '../sink/sink.js'
import { formatCount, visible, wrap } from '../terminal/text.js'
import { type Context, columnsOf, paintFor, say } from './context.js'
import type { DemoCount } from './demo-count.js'
import { type DemoRedis, demoRetryDelaysMs } from './demo-stage.js'
import { type Fact, factTable } from './table.js'
import type { WorkerChild } from './worker-child.js'

interface Stage {
  readonly redis: DemoRedis
  readonly sink: Sink
  readonly worker: WorkerChild
}

export function sayStart({ stdout, env }: Context, { redis, sink, worker }: Stage): void {
  const paint = paintFor(stdout, env)
  const { port } = new URL(redis.url)
  const delays = `[${demoRetryDelaysMs.join(', ')}]`
  const lines = [
    [
      'Redis',
      redis.isPrivate
        ? `127.0.0.1:${port}, private, its data in a temporary folder`
        : 'the one of FLUXMAIL_REDIS_URL',
    ],
    ['worker', `process ${worker.pid}, with lanes.bulk.retry.delaysMs = ${delays}`],
    ['server', `${sink.smtpUrl} greylists defer-…@ and refuses reject-…@`],
  ] as const
  say(stdout, paint('bold', 'FluxMail demo: a newsletter to the rows of a CSV. Nobody is mailed.'))
  say(stdout)
  for (const [name, text] of lines) say(stdout, `  ${paint('dim', name.padEnd(6))}  ${text}`)
  say(stdout)
}

export function countLines(count: DemoCount, { stdout, env }: Context): string[] {
  const paint = paintFor(stdout, env)
  const columns = columnsOf(stdout)
  const table = factTable(factsOf(count), columns - 2, paint).map((line) => `  ${line}`)
  return ['', ...table, '', ...verdictLines(count, columns, paint)]
}

function factsOf({ summary, deferredThenSent, failures, greylisted }: DemoCount): Fact[] {
  const { total, sent, failed, rejectedRows, copies, seconds, perSecond, connections } = summary
  const reasons = Object.entries(failures).map(
    ([reason, count]) => `${formatCount(count)} × ${visible(reason)}`,
  )
  const each = connections === 0 ? 0 : sent / connections
  return [
    { name: 'rows of the CSV', value: formatCount(total + rejectedRows) },
    { name: 'malformed', value: formatCount(rejectedRows), depth: 1, note: 'reported above by their lines' },
    { name: 'accepted', value: formatCount(total), depth: 1 },
    { name: 'sent', value: formatCount(sent), depth: 2, style: 'green' },
    { name: 'failed by reply', value: formatCount(failed), depth: 2, style: 'red', note: reasons.join(', ') },
    {
      name: 'deferred and then sent',
      value: formatCount(deferredThenSent),
      note: `after ${formatCount(greylisted)} replies 451`,
    },
    { name: 'recipients with no copy', value: formatCount(copies['0']), note: 'as counted by the server' },
    { name: 'recipients with one copy', value: formatCount(copies['1']) },
    {
      name: 'recipients with more',
      value: formatCount(copies.more),
      ...(copies.more > 0 ? { style: 'red' as const } : {}),
    },
    { name: 'SMTP connections', value: formatCount(connections) },
    { name: 'messages for each', value: each.toFixed(1), depth: 1 },
    {
      name: 'seconds',
      value: seconds.toFixed(1),
      note: 'from first row to last reply',
    },
    { name: 'messages a second', value: formatCount(perSecond) },
  ]
}

function verdictLines(
  { differences }: DemoCount,
  columns: number,
  paint: ReturnType<typeof paintFor>,
): string[] {
  if (differences.length === 0) return [paint('green', 'Every count agrees with what the server recorded.')]
  const lines = differences.flatMap((difference) => wrap(`  ${difference}`, columns))
  return [paint('red', 'The counts do not agree with what the server recorded:'), ...lines]
}

export function sayStay({ stdout, env }: Context, { url }: Sink): void {
  say(stdout)
  say(stdout, `Look at the mails: ${paintFor(stdout, env)('bold', url ?? '')}`)
  say(stdout, 'Ctrl-C ends it.')
}
