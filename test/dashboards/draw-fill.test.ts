import { expect, test } from 'vitest'
import { fill, stepOf } from '../../scripts/dashboards/draw/fill.js'

/** `$` and braces: how a variable stands in a query. */
const braced = (inside: string) => `$\{${inside}}`
const span = { start: 1_000, end: 4_600, stepSeconds: 5, scrapeSeconds: 15 }

test.each([
  ['x{lane=~"$lane"}', { lane: ['bulk', 'transactional'] }, 'x{lane=~"(bulk|transactional)"}'],
  ['x{lane=~"$lane"}', { lane: ['bulk'] }, 'x{lane=~"bulk"}'],
  [`x{lane=~"${braced('lane')}"}`, { lane: { pattern: '.*' } }, 'x{lane=~".*"}'],
  ['x{lane=~"[[lane]]"}', { lane: 'bulk' }, 'x{lane=~"bulk"}'],
  [`x{lane=~"${braced('lane:pipe')}"}`, { lane: ['a', 'b'] }, 'x{lane=~"a|b"}'],
])('%s of %j is %s', (query, choice, filled) => {
  expect(fill(query, choice, span)).toBe(filled)
})

test('what a pattern would read otherwise is escaped for the string of a query as well', () => {
  const choice = { instance: ['10.0.0.1:9464'] }
  expect(fill('up{instance=~"$instance"}', choice, span)).toBe('up{instance=~"10\\\\.0\\\\.0\\\\.1:9464"}')
  // Grafana does the same for this format, and Prometheus refuses it inside of quotes.
  expect(fill(`up{instance=~"${braced('instance:regex')}"}`, choice, span)).toBe(
    'up{instance=~"10\\.0\\.0\\.1:9464"}',
  )
})

test('a rate looks at four scrapes, or at one more than a step', () => {
  expect(fill('rate(x[$__rate_interval])', {}, span)).toBe('rate(x[60s])')
  expect(fill('rate(x[$__rate_interval])', {}, { ...span, stepSeconds: 300 })).toBe('rate(x[315s])')
})

test('ranges and steps are those of the panel', () => {
  expect(fill('x[$__range] $__range_s $__interval', {}, span)).toBe('x[3600s] 3600 5s')
  expect(fill(`$__from ${braced('__to')}`, {}, span)).toBe('1000000 4600000')
})

test('a variable that nobody knows is an error', () => {
  expect(() => fill('x{lane="$line"}', { lane: 'bulk' }, span)).toThrow('$line is not a variable')
  expect(() => fill(`x{lane="${braced('lane:glob')}"}`, { lane: 'bulk' }, span)).toThrow(
    `${braced('lane:glob')}`,
  )
})

test('a step is round, and never shorter than a scrape', () => {
  expect(stepOf(900, 700, 15)).toBe(15)
  expect(stepOf(86_400, 700, 15)).toBe(300)
  expect(stepOf(30 * 86_400, 1, 15)).toBe(30 * 86_400)
})
