// `fluxmail workers`: who is alive, where and since when, how fast it is, and what it holds of the relays.

import type { WorkerView } from '../queue/workers.js'
import { countOf, cut, padEnd, padStart, visible, widthOf, wrap } from '../terminal/text.js'
import { type Context, columnsOf, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { rateText } from './limits-lines.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { instant } from './status-lines.js'

export interface WorkersOptions extends QueueOptions {
  readonly json?: boolean
}

export async function workers(options: WorkersOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const found = await queue.workers()
  const lines = options.json ? [JSON.stringify(found)] : workerLines(found, context)
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}

const GAP = '  '
const SHORT_ID = 8

function workerLines(found: readonly WorkerView[], { stdout, env }: Context): string[] {
  if (found.length === 0) return ['no worker is there: none has said so for six seconds']
  const columns = columnsOf(stdout)
  const paint = paintFor(stdout, env)
  const titles = ['worker', 'pid', 'version', 'since', 'host']
  const rows = found.map(({ id, host, pid, version, since }) => [
    id.slice(0, SHORT_ID),
    String(pid),
    visible(version),
    instant(since),
    visible(host),
  ])
  const [head = '', ...lines] = tableOf([titles, ...rows], columns)
  return [
    paint('bold', head),
    ...found.flatMap((worker, at) => [lines[at] ?? '', ...factsOf(worker, columns)]),
    ...(found.length > 1 ? ['', ...wrap(sumText(found), columns)] : []),
  ]
}

function tableOf(rows: readonly (readonly string[])[], columns: number): string[] {
  const [titles = []] = rows
  const widths = titles.map((_, at) => Math.max(...rows.map((row) => widthOf(row[at] ?? ''))))
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (titles[at] === 'pid' ? padStart : padEnd)(cell, widths[at] ?? 0)).join(GAP)
  return rows.map((row) => cut(line(row).trimEnd(), columns))
}

function factsOf({ lanes, relays, maxPerSecond }: WorkerView, columns: number): string[] {
  const paces = lanes.map(({ lane, settling }) => `${visible(lane)} ${rateText(settling)}`)
  const used = relays.filter(({ connections, permits }) => connections + permits > 0)
  const held = used.map(({ relay, connections, permits }) => {
    const inHand = permits > 0 ? `, ${countOf(permits, 'permit')} in hand` : ''
    return `relay ${visible(relay)}: ${countOf(connections, 'connection')}${inHand}`
  })
  const others = relays.filter((each) => !used.includes(each)).map(({ relay }) => visible(relay))
  const unused = others.length > 0 ? [`no connection to ${others.join(', ')}`] : []
  const limit = maxPerSecond === undefined ? [] : [`at most ${rateText(maxPerSecond)} itself`]
  const texts = [`lanes ${paces.join(', ')}`, ...held, ...unused, ...limit]
  return wrap(texts.join('; '), columns - GAP.length).map((line) => GAP + line)
}

function sumText(found: readonly WorkerView[]): string {
  const sums = new Map<string, number>()
  for (const { lanes } of found) {
    for (const { lane, settling } of lanes) sums.set(lane, (sums.get(lane) ?? 0) + settling)
  }
  const paces = [...sums].map(([lane, sum]) => `${visible(lane)} ${rateText(sum)}`)
  return `${countOf(found.length, 'worker')}: ${paces.join(', ')}`
}
