// Lanes, a batch and a delivery as a person reads them.

import type { LaneStatus } from '../mail-queue.js'
import type { BatchStatus } from '../queue/batch-status.js'
import type { DeliveryRecord } from '../queue/delivery-record.js'
import { cut, formatCount, visible } from '../terminal/text.js'
import { type Context, columnsOf, paintFor } from './context.js'
import { columnTable, type Fact, factTable } from './table.js'

const laneRows = [
  ['accepted', 'accepted'],
  ['  sent', 'sent'],
  ['  failed', 'failed'],
  ['  skipped', 'skipped'],
  ['  unknown', 'unknown'],
  ['  pending', 'pending'],
  ['    waiting', 'waiting'],
  ['    active', 'active'],
  ['    delayed', 'delayed'],
] as const satisfies readonly (readonly [string, keyof LaneStatus])[]

const REASONS_SHOWN = 10

export function laneLines(lanes: readonly LaneStatus[], { stdout }: Context): string[] {
  const names = laneRows.map(([name]) => name)
  const columns = lanes.map((lane) => ({
    title: lane.lane,
    values: laneRows.map(([, field]) => formatCount(lane[field])),
  }))
  return columnTable(names, columns, columnsOf(stdout))
}

export function batchLines(batch: BatchStatus, { stdout, env }: Context): string[] {
  const paint = paintFor(stdout, env)
  const columns = columnsOf(stdout)
  const state = batch.sealed
    ? batch.pending === 0
      ? 'done'
      : 'being sent'
    : 'being enqueued, or its enqueueing was stopped'
  const head = `batch ${paint('bold', batch.id)} in lane ${batch.lane}, since ${instant(batch.createdAt)}: ${state}`
  return [head, '', ...factTable(batchFacts(batch), columns, paint), ...failureLines(batch, columns)]
}

export function batchFacts({
  total,
  sent,
  failed,
  skipped,
  unknown,
  pending,
  rejected,
}: BatchStatus): Fact[] {
  const part = (name: string, value: number, style?: Fact['style'], note?: string): Fact => ({
    name,
    value: formatCount(value),
    depth: 1,
    ...(style && value > 0 ? { style } : {}),
    ...(note && value > 0 ? { note } : {}),
  })
  return [
    { name: 'accepted', value: formatCount(total) },
    part('sent', sent, 'green'),
    part('failed', failed, 'red'),
    part('skipped', skipped),
    part('unknown', unknown, 'yellow', 'the relay fell silent after the last dot'),
    part('pending', pending),
    { name: 'rejected', value: formatCount(rejected), note: 'rows that are no deliveries' },
  ]
}

export function failureLines({ failures }: BatchStatus, columns: number): string[] {
  const reasons = Object.entries(failures).sort(([, a], [, b]) => b - a)
  if (reasons.length === 0) return []
  const width = Math.max(...reasons.map(([, count]) => formatCount(count).length))
  const shown = reasons.slice(0, REASONS_SHOWN).map(([reason, count]) => {
    return cut(`  ${formatCount(count).padStart(width)}  ${visible(reason)}`, columns)
  })
  const more = reasons.length - shown.length
  return ['', 'why deliveries failed:', ...shown, ...(more > 0 ? [`  and ${more} reasons more`] : [])]
}

export function deliveryLines(delivery: DeliveryRecord, { stdout, env }: Context): string[] {
  const columns = columnsOf(stdout)
  const paint = paintFor(stdout, env)
  const facts: [string, string | undefined][] = [
    ['delivery', delivery.id],
    ['recipient', delivery.recipient],
    ['state', delivery.state],
    ['lane', delivery.lane],
    ['batch', delivery.batchId],
    ['attempts', formatCount(delivery.attempts)],
    ['enqueued', instant(delivery.enqueuedAt)],
    ['next try', delivery.nextAttemptAt && instant(delivery.nextAttemptAt)],
    ['last said', delivery.lastReason],
  ]
  return facts.flatMap(([name, value]) => {
    return value === undefined ? [] : [cut(`${paint('dim', name.padEnd(9))}  ${visible(value)}`, columns)]
  })
}

/** Local time to the second. */
export function instant(date: Date): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
