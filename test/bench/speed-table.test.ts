import { expect, test } from 'vitest'
import { type Result, resultOf } from '../../scripts/bench/speed/report.js'
import { rows } from '../../scripts/bench/speed/rows.js'
import { speedTable } from '../../scripts/speed-table.js'

const pool = rows.filter(({ name }) => name === 'pool')
const figure = (value: number) => ({ value, cpuMs: 0.25, redisMs: 0.1 })

function resultWith(more: Partial<Result> = {}): Result {
  const measured = pool.map(({ name, title, unit, target }) => ({
    ...{ name, title, unit, target, note: undefined },
    ours: [3_000, 2_800, 2_600].map(figure),
    peer: [1_000, 1_000, 1_000].map((value) => ({ value, cpuMs: 1.5 })),
  }))
  return {
    rows: measured.map(resultOf),
    date: '2026-11-23',
    machine: '2 x Some Processor, 24 GB, Linux 6.18',
    versions: { Node: '20.20.2', bullmq: '6.7.0' },
    pace: 'usual',
    runs: 3,
    warmUp: 'Messages that warm up + those that are timed: FluxMail 2000 + 10000.',
    bytes: { FluxMail: 11_181 },
    ...more,
  }
}

test('the table of the README has the medians, the lowest and the highest, the cost, the ratio and what holds', () => {
  const table = speedTable(pool, resultWith())
  expect(table).toContain(
    "| Nodemailer's pool, no queue, messages/s | 2 800 (2 600–3 000) | 0.25 + 0.10 | 1 000 | 1.50 | 2.8 | >= 2.5 | yes |",
  )
})

test('it says when, where and how it was measured, and how roughly', () => {
  const table = speedTable(pool, resultWith())
  for (const part of ['2026-11-23', 'Some Processor', 'bullmq 6.7.0', 'Medians of 3 runs', 'FluxMail 11181'])
    expect(table).toContain(part)
  expect(table).not.toContain('--quick')
  expect(speedTable(pool, resultWith({ pace: 'quick' }))).toContain('roughly, with `--quick`')
})

test('a row that the kept result does not have is not passed over, and a target that moved is judged anew', () => {
  const [row] = pool
  if (!row) throw new Error('no such row')
  const fresh = { ...row, name: 'fresh', title: 'somebody new' }
  const table = speedTable([{ ...row, target: { value: 3 } }, fresh], resultWith())
  expect(table).toContain('| 2.8 | >= 3 | no |')
  expect(table).toContain('| somebody new, messages/s | not measured |')
})
