import { expect, test } from 'vitest'
import type { Outcome } from '../../src/delivery/outcome.js'
import { withAttempt } from '../../src/queue/attempt-list.js'
import { attemptsIn } from '../../src/queue/attempt-notes.js'
import { type Payload, parsePayload, payloadOf } from '../../src/queue/payload.js'

const fresh = payloadOf({ contentHash: '0'.repeat(64), recipient: { address: 'a@example.com' } })
const deferred = (text: string): Outcome => ({
  kind: 'deferred',
  reason: { code: '451 4.7.1', message: text, reply: { code: 451, enhanced: '4.7.1', text } },
})

function after(attempts: number, text = 'Greylisted'): Payload {
  let payload = fresh
  for (let at = 1; at <= attempts; at += 1) {
    const attempt = { relay: 'main', wire: { at, ms: 7 }, outcome: deferred(text) }
    payload = withAttempt(payload, attempt, 0)
  }
  return payload
}

test('an attempt is kept with when, how long, by which relay, and in the words of the reply', () => {
  expect(attemptsIn(after(1))).toEqual([
    {
      at: new Date(1),
      durationMs: 7,
      relay: 'main',
      outcome: 'deferred',
      code: '451 4.7.1',
      reply: '451 4.7.1 Greylisted',
    },
  ])
})

test('the first attempt and the last twelve are kept, and what is kept is read as a payload', () => {
  const kept = after(40)
  expect(attemptsIn(kept).map(({ at }) => at.getTime())).toEqual([
    1,
    ...Array.from({ length: 12 }, (_, i) => 29 + i),
  ])
  expect(parsePayload(JSON.parse(JSON.stringify(kept)))).toEqual(kept)
})

test('a long reply is cut', () => {
  expect(attemptsIn(after(1, 'x'.repeat(1000)))[0]?.reply).toHaveLength(200)
})

test('without a reply the reason stands in its place, and without a relay none', () => {
  const outcome: Outcome = { kind: 'failed', reason: { code: 'template_error', message: 'no filter x' } }
  expect(attemptsIn(withAttempt(fresh, { outcome }, 9))).toEqual([
    { at: new Date(9), durationMs: 0, outcome: 'failed', code: 'template_error', reply: 'no filter x' },
  ])
})

test('data of the version before has no place for attempts and stays as it is', () => {
  const old: Payload = { ...fresh, v: 1 }
  expect(withAttempt(old, { outcome: deferred('x') }, 0)).toEqual(old)
})
