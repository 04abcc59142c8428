import { describe, expect, test } from 'vitest'
import { columnTable, factTable } from '../../src/cli/table.js'
import { countOf, cut, formatSeconds, padEnd, visible, widthOf, wrap } from '../../src/terminal/text.js'

const plain = (_style: string, text: string) => text
const widest = (lines: readonly string[]) => Math.max(...lines.map(widthOf))

describe('text', () => {
  test.each([
    ['abc', 3],
    ['Zoé', 3],
    ['Zoe\u0301', 3],
    ['小鳥遊', 6],
    ['남궁', 4],
    ['👨🏽‍🌾 ok', 5],
    ['नमस्ते', 3],
  ])('%s is as wide as a terminal shows it', (text, width) => {
    expect(widthOf(text)).toBe(width)
  })

  test('what is cut ends in an ellipsis and fits', () => {
    expect(cut('小鳥遊 さくら', 7)).toBe('小鳥遊…')
    expect(cut('abc', 3)).toBe('abc')
  })

  test('padding counts cells', () => {
    expect(padEnd('小', 4)).toBe('小  ')
  })

  test('control characters and turned text reach no terminal', () => {
    expect(visible('a\u001b[31mb\r\nc\u202ed\u0007')).toBe('a\ufffd[31mb c\ufffdd\ufffd')
  })

  test('lines are broken between words and keep their indent', () => {
    expect(wrap('  one two three\nfour', 9)).toEqual(['  one two', '  three', 'four'])
  })

  test('counts and times are words that a person would use', () => {
    expect([countOf(1, 'row'), countOf(1_234_567, 'row')]).toEqual(['1 row', '1,234,567 rows'])
    expect([formatSeconds(400), formatSeconds(62_000), formatSeconds(7_260_000)]).toEqual([
      '0.4 s',
      '1 min 2 s',
      '2 h 1 min',
    ])
  })
})

describe('tables', () => {
  const names = ['accepted', '  sent']

  test('lanes stand beside each other while they fit', () => {
    const lanes = ['transactional', 'bulk'].map((title) => ({ title, values: ['1,000', '10'] }))
    expect(columnTable(names, lanes, 80)).toEqual([
      '          transactional   bulk',
      'accepted          1,000  1,000',
      '  sent               10     10',
    ])
  })

  test('and below each other when they do not', () => {
    const lanes = Array.from({ length: 9 }, (_, index) => ({
      title: `a-long-lane-name-${index}`,
      values: ['1', '2'],
    }))
    const lines = columnTable(names, lanes, 80)
    expect(widest(lines)).toBeLessThanOrEqual(80)
    for (const { title } of lanes) expect(lines.join('\n')).toContain(title)
  })

  test('a lane name wider than the terminal is cut', () => {
    expect(widest(columnTable(names, [{ title: 'x'.repeat(200), values: ['1', '2'] }], 80))).toBe(80)
  })

  test('facts have their values right-aligned and their notes wrapped', () => {
    const facts = [
      { name: 'sent', value: '988' },
      { name: 'failed', value: '10', depth: 1, note: 'the relay said that there is no such user '.repeat(4) },
    ]
    const lines = factTable(facts, 60, plain)
    expect(lines[0]).toBe('sent      988')
    expect(lines[1]).toMatch(/^ {2}failed {3}10 {2}the relay/)
    expect(widest(lines)).toBeLessThanOrEqual(60)
  })
})
