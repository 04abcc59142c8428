// All rows, in the order of the table, and all sides, in the order in which a run measures them: what is compared with
// each other stands together.

import type { Reading, Row, Side } from './row.js'
import { added, enqueued } from './sides/enqueue.js'
import { idle } from './sides/idle.js'
import { attached, farAway, long, newsletter, signed } from './sides/ours.js'
import { inlined, juiceEach, pool, poolAttached, poolFar, poolSigned } from './sides/peers.js'
import { python } from './sides/python.js'
import { source } from './sides/source.js'
import { one, two } from './sides/workers.js'

const sides: readonly Side[] = [
  ...[juiceEach, inlined, newsletter, signed, pool, poolSigned, source],
  ...[attached, poolAttached, farAway, poolFar, enqueued, added, one, two, long, idle, python],
]

const rate = { unit: 'messages/s', measure: 'perSecond' } as const
const atMost = (value: number) => ({ value, kind: 'at most' }) as const

export const rows: readonly Row[] = [
  {
    ...rate,
    name: 'recipe',
    title: 'BullMQ + juice each + Nodemailer',
    target: { value: 20 },
    ours: newsletter,
    peer: juiceEach,
    note: ({ peer }) =>
      `juice alone takes ${mean(peer, 'juiceMs').toFixed(2)} ms of the peer's CPU a message.`,
  },
  {
    ...rate,
    name: 'inlined',
    title: 'BullMQ + Nodemailer, CSS inlined',
    target: { value: 4 },
    ours: newsletter,
    peer: inlined,
  },
  {
    ...rate,
    name: 'pool',
    title: "Nodemailer's pool, no queue",
    target: { value: 2.5 },
    ours: newsletter,
    peer: pool,
  },
  {
    ...rate,
    name: 'source',
    title: 'smtp-source of Postfix (C)',
    target: { value: 0.5 },
    ours: newsletter,
    peer: source,
  },
  {
    ...rate,
    name: 'attachment',
    title: "1 MB attached, Nodemailer's pool",
    target: { value: 5 },
    ours: attached,
    peer: poolAttached,
    note: () => "smtp-sink's own reading of the megabytes limits this rate; CPU tells what they cost.",
  },
  {
    name: 'attachment-copies',
    title: 'the attachment in Redis',
    unit: 'times its size',
    measure: 'copies',
    target: atMost(1.5),
    ours: attached,
  },
  {
    ...rate,
    name: 'dkim',
    title: "DKIM, Nodemailer's pool with it",
    target: { value: 2.5 },
    ours: signed,
    peer: poolSigned,
  },
  {
    ...rate,
    name: 'dkim-cost',
    title: 'DKIM, ourselves without it',
    target: { value: 0.7 },
    ours: signed,
    peer: newsletter,
  },
  {
    name: 'dkim-main',
    title: 'DKIM, CPU of the main thread',
    unit: 'ms a message',
    measure: 'mainMs',
    target: atMost(1.1),
    ours: signed,
    peer: newsletter,
  },
  {
    name: 'enqueue',
    title: "enqueueing, BullMQ's addBulk",
    unit: 'rows/s',
    measure: 'perSecond',
    target: { value: 5 },
    ours: enqueued,
    peer: added,
  },
  {
    name: 'enqueue-memory',
    title: 'enqueueing, memory of Redis',
    unit: 'bytes a row',
    measure: 'rowBytes',
    target: atMost(0.1),
    ours: enqueued,
    peer: added,
  },
  {
    ...rate,
    name: 'workers',
    title: 'two workers beside one, 20 ms',
    target: { value: 1.95 },
    ours: two,
    peer: one,
  },
  {
    ...rate,
    name: 'latency',
    title: '1 connection, 20 ms, Nodemailer',
    target: { value: 1.8 },
    ours: farAway,
    peer: poolFar,
  },
  {
    ...rate,
    name: 'growth',
    title: 'a long batch beside a short one',
    target: { value: 0.1, kind: 'within' },
    ours: long,
    peer: newsletter,
  },
  {
    name: 'memory',
    title: "a long batch, worker's memory",
    unit: 'MB resident',
    measure: 'residentMb',
    target: atMost(200),
    ours: long,
  },
  {
    name: 'memory-growth',
    title: 'its memory beside a short one',
    unit: 'MB resident',
    measure: 'residentMb',
    target: atMost(1.25),
    ours: long,
    peer: newsletter,
  },
  {
    name: 'idle-median',
    title: 'enqueue to 250 at 200/s, median',
    unit: 'ms',
    measure: 'median',
    target: atMost(10),
    ours: idle,
  },
  {
    name: 'idle-p99',
    title: 'enqueue to 250 at 200/s, p99',
    unit: 'ms',
    measure: 'p99',
    target: atMost(40),
    ours: idle,
  },
  {
    ...rate,
    name: 'python',
    title: 'FluxMail (Python), BulkSender',
    target: undefined,
    ours: newsletter,
    peer: python,
    note: () => 'Its BulkSender has one connection.',
  },
]
export const rowNames = rows.map(({ name }) => name)

function mean(readings: readonly Reading[], name: keyof Reading): number {
  return readings.reduce((sum, reading) => sum + (reading[name] ?? Number.NaN), 0) / readings.length
}

/** Those named in `a,b`, all without it, or a sentence about a name that there is not. */
export function chosen(names?: string): readonly Row[] | string {
  if (names === undefined) return rows
  const wanted = names.split(',').map((name) => name.trim())
  const stranger = wanted.find((name) => !rowNames.includes(name))
  if (stranger !== undefined) return `--only: there is no row ${stranger}; there are ${rowNames.join(', ')}`
  return rows.filter(({ name }) => wanted.includes(name))
}

/** The sides that these rows need, in their order. */
export function sidesOf(wanted: readonly Row[]): Side[] {
  return sides.filter((side) => wanted.some(({ ours, peer }) => ours === side || peer === side))
}
