import fc from 'fast-check'
import { expect, test } from 'vitest'
import { COLUMNS } from '../../scripts/bench/command.js'
import { holds, median, ratioOf, summaryOf } from '../../scripts/bench/speed/figures.js'
import { rowsOf } from '../../scripts/bench/speed/fixture/mail.mjs'
import { type Measured, resultOf, resultTable, short } from '../../scripts/bench/speed/report.js'
import { chosen, rowNames, rows, sidesOf } from '../../scripts/bench/speed/rows.js'
import { sizeOf } from '../../scripts/bench/speed/sizes.js'
import { Counter } from '../../scripts/bench/speed/smtp-sink.js'
import { visible } from '../../scripts/bench/speed/verify.js'

const figures = (...values: number[]) => values.map((value) => ({ value }))

const row: Measured = {
  name: 'pool',
  title: "Nodemailer's pool, no queue",
  unit: 'messages/s',
  target: { value: 2.5 },
  ours: [
    { value: 3_000, cpuMs: 0.3, redisMs: 0.1 },
    { value: 1_000, cpuMs: 0.5, redisMs: 0.3 },
    { value: 2_800, cpuMs: 0.4, redisMs: 0.1 },
  ],
  peer: figures(1_000, 500, 1_000),
}

test('a median is the one in the middle, or what lies between the two', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([])).toBeNaN()
})

test('as many values are below a median as above it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const middle = median(values)
      const below = values.filter((value) => value < middle).length
      const above = values.filter((value) => value > middle).length
      expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2)
    }),
  )
})

test('the ratio is the median of those of the pairs, so that a slow moment meets both sides', () => {
  expect(ratioOf(row.ours, row.peer)).toBe(2.8)
})

test('where one side had fewer runs, the ratio is that of the medians', () => {
  expect(ratioOf(figures(300), figures(80, 100, 200))).toBe(3)
  expect(ratioOf(figures(300), [])).toBeNaN()
})

test('a summary has the median, the lowest, the highest and the medians of what was measured beside them', () => {
  expect(summaryOf(row.ours)).toEqual({
    median: 2_800,
    lowest: 1_000,
    highest: 3_000,
    cpuMs: 0.4,
    redisMs: 0.1,
  })
  expect(summaryOf(figures(100))).toMatchObject({ cpuMs: undefined, redisMs: undefined })
})

test('a target is reached, or not gone beyond, or missed by so much either way, and what is no number holds nothing', () => {
  const held = (value: number, kind: 'at least' | 'at most' | 'within', target: number) =>
    holds(value, { value: target, kind })
  expect([held(2.5, 'at least', 2.5), held(2.49, 'at least', 2.5)]).toEqual([true, false])
  expect([held(0.1, 'at most', 0.1), held(0.2, 'at most', 0.1)]).toEqual([true, false])
  expect([0.89, 0.95, 1.05, 1.11].map((value) => held(value, 'within', 0.1))).toEqual([
    false,
    true,
    true,
    false,
  ])
  expect((['at least', 'at most', 'within'] as const).map((kind) => held(Number.NaN, kind, 1))).toEqual([
    false,
    false,
    false,
  ])
})

test('a row without a peer is judged by its own figure, and one without figures is not judged', () => {
  expect(resultOf({ ...row, peer: [], target: { value: 2_000 } })).toMatchObject({ ratio: null, held: true })
  expect(resultOf({ ...row, ours: [], peer: [] })).toMatchObject({ ours: null, peer: null, held: null })
})

test('a row of the JSON has its figures, its target and whether that holds', () => {
  const result = JSON.parse(JSON.stringify(resultOf(row)))
  expect(result).toMatchObject({
    name: 'pool',
    ours: 2_800,
    peer: 1_000,
    ratio: 2.8,
    target: 2.5,
    held: true,
  })
  expect(result).toMatchObject({ kind: 'at least', unit: 'messages/s', note: null })
  expect(result.runs.ours).toMatchObject({ median: 2_800, lowest: 1_000, highest: 3_000, cpuMs: 0.4 })
  expect(result.runs.peer).toMatchObject({ median: 1_000 })
})

test('the table stays within its columns and says what holds', () => {
  const absent =
    'FluxMail (Python) is not installed where --fluxmail says, so that it does not take part in this run'
  const long = { ...row, title: 'a title that is much longer than its column', ours: figures(123_456_789) }
  const table = resultTable(
    [row, { ...row, ours: figures(1), peer: figures(1) }, { ...long, peer: figures(1) }].map(resultOf),
  )
  const lines = [...table, ...resultTable([resultOf({ ...row, ours: [], peer: [], absent })])]
  expect(lines.filter((line) => line.length > COLUMNS)).toEqual([])
  expect(table[2]).toMatch(/^Nodemailer's pool, no queue +2 800 +1 000 +2\.8 +>= 2\.5 +yes$/)
  expect(table[3]).toMatch(/messages\/s +1 000–3 000 +500–1 000$/)
  expect(table[4]).toMatch(/CPU ms.* 0\.40 \+ 0\.10$/)
  expect(table[5]).toMatch(/NO$/)
  expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain(absent)
})

test('the table of all rows stays within its columns, whatever was measured', () => {
  const figure = fc.record({
    value: fc.double({ min: 0.001, max: 1_000_000, noNaN: true }),
    cpuMs: fc.double({ min: 0, max: 99, noNaN: true }),
    redisMs: fc.double({ min: 0, max: 9, noNaN: true }),
  })
  const runs = fc.array(figure, { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(runs, runs, (ours, peer) => {
      const measured = rows.map((each) =>
        resultOf({ ...each, target: each.target, ours, peer, note: undefined }),
      )
      expect(resultTable(measured).filter((line) => line.length > COLUMNS)).toEqual([])
    }),
    { numRuns: 50 },
  )
})

test('numbers are shown with three digits that count', () => {
  expect([
    short(0.123456),
    short(12.345),
    short(1_234.5),
    short(123_456),
    short(12_345_678),
    short(Number.NaN),
  ]).toEqual(['0.123', '12.3', '1 235', '123 k', '12.3 M', '-'])
})

test('rows are chosen by name, and a name that there is not is said', () => {
  expect(chosen()).toHaveLength(rowNames.length)
  expect(chosen('pool, source')).toMatchObject([{ name: 'pool' }, { name: 'source' }])
  expect(chosen('pool,nobody')).toContain('there is no row nobody')
  expect(new Set(rowNames).size).toBe(rowNames.length)
})

test('a side that several rows compare is measured once, and its titles fit their column', () => {
  const sides = sidesOf(rows)
  expect(new Set(sides).size).toBe(sides.length)
  for (const { ours, peer } of rows)
    expect(sides).toEqual(expect.arrayContaining(peer ? [ours, peer] : [ours]))
  expect(sidesOf([]).length).toBe(0)
  expect(rows.filter(({ title }) => title.length > 32)).toEqual([])
})

test('sides warm up by 2,000 messages and more, and the longest batch has a million rows', () => {
  const pace = { quick: false, full: false }
  expect(sizeOf(pace, 'newsletter')).toEqual({ warmUp: 5_000, timed: 10_000 })
  expect(sizeOf(pace, 'juice').warmUp).toBe(2_000)
  expect(sizeOf({ ...pace, quick: true }, 'newsletter').warmUp).toBe(4_000)
  expect(sizeOf({ ...pace, full: true }, 'long').timed).toBe(1_000_000)
  expect(sizeOf({ ...pace, messages: 50 }, 'long')).toEqual({ warmUp: 50, timed: 50 })
})

test("smtp-sink's counter is read however its words are cut", async () => {
  const said = 'sess=1 quit=0 mesg=9\rsess=1 quit=0 mesg=10\rsess=1 quit=1 mesg=12\r'
  for (let cut = 0; cut <= said.length; cut += 1) {
    const counter = new Counter()
    const reached = counter.reached(12)
    counter.read(said.slice(0, cut))
    counter.read(said.slice(cut))
    expect(counter.count).toBe(12)
    await expect(reached).resolves.toBeGreaterThan(0)
  }
  await expect(new Counter().reached(1, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped')
})

test('what inlining may change is not seen, and what it may not is', () => {
  const html = '<html><body><p class="a">Bess &amp; Tom</p><a href="/x?t=1">go</a></body></html>'
  expect(visible(html.replace(' class="a"', ' style="color: red"'))).toBe(visible(html))
  expect(visible(html.replace('t=1', 't=2'))).not.toBe(visible(html))
  expect(visible(html.replace('Tom', 'Tim'))).not.toBe(visible(html))
})

test('no two rows of the fixture have the same address or token', () => {
  const rows = [...rowsOf(2_000)]
  expect(new Set(rows.map(({ to }) => to)).size).toBe(rows.length)
  expect(new Set(rows.map(({ token }) => token)).size).toBe(rows.length)
})
