import { describe, expect, test } from 'vitest'
import { formatBar, openProgress } from '../../src/terminal/progress.js'
import { widthOf } from '../../src/terminal/text.js'
import { openTerminal } from '../cli/terminal.js'

const step = {
  label: 'enqueueing',
  unit: 'rows',
  share: 0.5,
  count: 500_000,
  ratePerSecond: 17_204.4,
  columns: 80,
}

describe('the bar', () => {
  test('has the share, the count, the rate and the time that is left', () => {
    expect(formatBar(step, 29)).toBe(
      'enqueueing  █████████░░░░░░░░░   50 %  500,000 rows  17,204/s  ETA 29 s',
    )
  })

  test('guesses no end before there is anything to guess from', () => {
    for (const eta of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e12])
      expect(formatBar(step, eta)).toContain('ETA –')
    expect(formatBar({ ...step, share: 0, count: 0 }, 0)).toContain('ETA –')
  })

  test.each([40, 60, 80])(
    'never fills the last of %i columns, where a terminal would break the line',
    (columns) => {
      const long = { ...step, count: 123_456_789, note: '1,234,567 failed', columns }
      expect(widthOf(formatBar(long, 86_400))).toBeLessThan(columns)
    },
  )

  test('is drawn on a terminal and cleared at the end', () => {
    const terminal = openTerminal({ isTTY: true })
    {
      using progress = openProgress(terminal, { label: 'enqueueing', unit: 'rows' })
      progress.update({ share: 0.5, count: 10 })
    }
    expect(terminal.stderr.text).toContain('░')
    expect(terminal.stderr.text.endsWith('\u001b[2K') || terminal.stderr.text.endsWith('\u001b[0K')).toBe(
      true,
    )
    expect(terminal.stdout.text).toBe('')
  })

  test('leaves the cursor and the line breaks of the terminal as they are', () => {
    const terminal = openTerminal({ isTTY: true })
    openProgress(terminal, { label: 'enqueueing', unit: 'rows' })[Symbol.dispose]()
    expect(terminal.stderr.text).not.toContain('\u001b[?')
    for (const code of ['\u001b7', '\u001b8']) expect(terminal.stderr.text).not.toContain(code)
  })

  test('is no bar where there is no terminal', () => {
    const terminal = openTerminal()
    {
      using progress = openProgress(terminal, { label: 'enqueueing', unit: 'rows' })
      progress.update({ share: 0.5, count: 10 })
    }
    expect(terminal.stderr.text).toBe('')
  })
})
