import { describe, expect, test } from 'vitest'
import { countDemo, type DemoInput } from '../../src/cli/demo-count.js'

const status = {
  id: 'demo',
  lane: 'bulk',
  total: 3,
  sent: 2,
  failed: 1,
  skipped: 0,
  unknown: 0,
  resent: 0,
  pending: 0,
  rejected: 1,
  waiting: 0,
  active: 0,
  deferred: 0,
  rate: 0,
  importing: false,
  sealed: true,
  createdAt: new Date(0),
  failures: { '550 5.1.1': 1 },
}

const deliveries = [
  { recipient: 'ada@example.com', state: 'sent', attempts: 1 },
  { recipient: 'defer-1-bob@example.com', state: 'sent', attempts: 2 },
  { recipient: 'reject-eve@example.com', state: 'failed', attempts: 1 },
] as const

const copies = { 'ada@example.com': 1, 'defer-1-bob@example.com': 1 }

function recorded(
  given: Record<string, number> = copies,
  replies: [number, number][] = [
    [451, 1],
    [550, 1],
  ],
) {
  const length = Object.values(given).reduce((sum, count) => sum + count, 0)
  return {
    messages: { length },
    connections: 2,
    replies: new Map(replies),
    copies: () => new Map(Object.entries(given)),
  }
}

const good: DemoInput = {
  rowCount: 4,
  rejectedRows: 2,
  status,
  deliveries,
  sink: recorded(),
  elapsedMs: 4000,
}

describe('the count of the demo', () => {
  test('has no differences when queue and server agree', () => {
    expect(countDemo(good)).toEqual({
      summary: {
        total: 3,
        sent: 2,
        failed: 1,
        rejectedRows: 2,
        copies: { '0': 1, '1': 2, more: 0 },
        seconds: 4,
        perSecond: 0.5,
        connections: 2,
      },
      deferredThenSent: 1,
      greylisted: 1,
      failures: { '550 5.1.1': 1 },
      differences: [],
    })
  })

  const wrong: readonly (readonly [what: string, change: Partial<DemoInput>, difference: RegExp])[] = [
    [
      'a message that never arrived',
      { sink: recorded({ 'ada@example.com': 1 }) },
      /deliveries sent: 2; messages that the server recorded: 1/,
    ],
    [
      'a second copy',
      { sink: recorded({ ...copies, 'ada@example.com': 2 }) },
      /recipients with more than one copy: 1/,
    ],
    [
      'a copy to somebody who was refused',
      { sink: recorded({ 'ada@example.com': 1, 'reject-eve@example.com': 1 }) },
      /do not fit their outcome: 2/,
    ],
    ['a copy to a stranger', { sink: recorded({ ...copies, 'zoe@example.com': 1 }) }, /not in the CSV: 1/],
    [
      'a row that got lost',
      { rowCount: 5 },
      /rows handed to the queue: 5; rows that it accepted or rejected: 4/,
    ],
    [
      'a delivery that is not settled',
      { status: { ...status, sent: 1, pending: 1 } },
      /deliveries pending: 1/,
    ],
    ['a delivery that got lost', { deliveries: deliveries.slice(1) }, /deliveries found in the queue: 2/],
    [
      'a failure that the server did not order',
      { sink: recorded(copies, [[451, 1]]) },
      /deliveries failed: 1; replies 550 of the server: 0/,
    ],
    [
      'a deferral that was not tried again',
      {
        sink: recorded(copies, [
          [451, 2],
          [550, 1],
        ]),
      },
      /attempts made again: 1; replies 451 of the server: 2/,
    ],
  ]

  test.each(wrong)('finds %s', (_what, change, difference) => {
    expect(countDemo({ ...good, ...change }).differences.join('\n')).toMatch(difference)
  })
})
