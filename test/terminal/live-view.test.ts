import { expect, test } from 'vitest'
import { openLiveView } from '../../src/terminal/live-view.js'
import { openTerminal } from '../cli/terminal.js'

const esc = '\u001b'

function openScreen(rows: number, columns = 40) {
  const { stdout } = openTerminal({ isTTY: true, columns })
  const screen = Object.assign(stdout, { rows })
  return { screen, view: openLiveView(screen), text: () => screen.text }
}

test('the second drawing begins where the first one did', () => {
  const { view, text } = openScreen(24)
  view.draw(['one', 'two'])
  const before = text().length
  view.draw(['three'])
  expect(text().slice(before)).toBe(`\r${esc}[2Athree${esc}[K\n${esc}[J`)
})

test('more lines than the terminal has are cut, since nobody gets back to what has scrolled away', () => {
  const { view, text } = openScreen(4)
  view.draw(['1', '2', '3', '4', '5'])
  expect(text().match(/\n/g)).toHaveLength(3)
  expect(text()).toContain('…')
})

test('lines that a narrower terminal has broken are counted as it shows them, colours not', () => {
  const { view, text, screen } = openScreen(24, 40)
  view.draw([`${esc}[31m${'x'.repeat(30)}${esc}[39m`, 'two'])
  Object.assign(screen, { columns: 20 })
  const before = text().length
  view.draw(['three'])
  expect(text().slice(before)).toMatch(new RegExp(`^\r${esc}\\[3A`))
})
