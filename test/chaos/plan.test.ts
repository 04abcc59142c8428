import { expect, test } from 'vitest'
import { bodyOf, readLetter, subjectOf, tokenOf } from '../../scripts/chaos/letter.js'
import { actionKinds, planOf } from '../../scripts/chaos/plan.js'
import { createRandom } from '../../scripts/chaos/random.js'
import { attemptLifeMs, lockMs } from '../../scripts/chaos/settings.js'

const twoMinutes = 120_000

test('the same seed plans the same run, another seed another one', () => {
  expect(planOf(7, twoMinutes)).toEqual(planOf(7, twoMinutes))
  expect(planOf(7, twoMinutes)).not.toEqual(planOf(8, twoMinutes))
})

test('two minutes have every action at least twice, in the order of time, each inside the run', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = planOf(seed, twoMinutes)
    for (const kind of actionKinds)
      expect(plan.filter((action) => action.kind === kind).length).toBeGreaterThan(1)
    const times = plan.map(({ atMs }) => atMs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(Math.max(...times)).toBeLessThan(twoMinutes)
  }
})

test('a frozen worker sleeps for longer than its lock, and wakes while its attempt may be alive or long after', () => {
  const freezes = planOf(1, 600_000, ['freeze-worker'])
  expect(freezes.length).toBeGreaterThan(100)
  for (const { forMs } of freezes) expect(forMs).toBeGreaterThan(lockMs)
  const early = freezes.filter(({ forMs }) => forMs < attemptLifeMs)
  expect(early.length).toBeGreaterThan(30)
  expect(freezes.length - early.length).toBeGreaterThan(10)
})

test('chance is spread evenly, and streams of one seed are not the same', () => {
  const random = createRandom(1, 'a')
  const tenths = Array.from({ length: 10 }, () => 0)
  for (let draw = 0; draw < 10_000; draw += 1)
    tenths[random.whole(0, 9)] = (tenths[random.whole(0, 9)] ?? 0) + 1
  for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150)
  expect(createRandom(1, 'a').next()).not.toBe(createRandom(1, 'b').next())
})

test('a letter is read back as it was written, and what is not whole is seen', () => {
  const token = tokenOf(35, 12)
  const text = `Subject: ${subjectOf(token)}\r\nMessage-ID: <m@x>\r\n\r\n${bodyOf({ token, lines: 20 })}`
  expect(readLetter(Buffer.from(text))).toMatchObject({
    tokens: [token],
    subject: `Chaos ${token}`,
    messageId: '<m@x>',
    lines: 20,
  })
  expect(readLetter(Buffer.from(text.slice(0, -20))).lines).toBe(-1)
  expect(readLetter(Buffer.from(text.replace(/line 7 .*\r\n/, ''))).lines).toBe(-1)
  expect(readLetter(Buffer.from(text.replace(/line 19 .*\r\n/, ''))).lines).toBe(19)
  expect(readLetter(Buffer.from(text.replace('end of', `tk9x9z end of`))).tokens).toContain('tk9x9z')
})
