import { expect, test } from 'vitest'
import { eventually } from './eventually.js'

test('gives the first truthy answer', async () => {
  let asked = 0
  const answer = await eventually('the third answer', () => {
    asked += 1
    return asked === 3 ? `asked ${asked} times` : undefined
  })
  expect(answer).toBe('asked 3 times')
})

test('past its deadline it says what it waited for and what the last answer was', async () => {
  const waiting = eventually('ten mails', () => [].length, { withinMs: 30 })
  await expect(waiting).rejects.toThrow('not within 30 ms: ten mails; the last answer was 0')
})

test('a condition that throws is asked again, and its last error is told', async () => {
  let asked = 0
  const condition = () => {
    asked += 1
    throw new Error(`try ${asked}`)
  }
  const waiting = eventually('a reply', condition, { withinMs: 30 })
  await expect(waiting).rejects.toThrow(/a reply; the last try threw try \d/)
  expect(asked).toBeGreaterThan(1)
})
