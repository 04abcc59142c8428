import { expect, test } from 'vitest'
import { judgeExchange } from '../../src/delivery/judge.js'
import { parseReply } from '../../src/delivery/replies.js'
import { isOneOf } from '../../src/delivery/slower-replies.js'
import { presetNames, presetOptions, presets } from '../../src/limits/presets.js'

function isNamed(named: string, response: string): boolean {
  const reply = parseReply(response)
  if (reply === undefined) throw new TypeError(`${response} is no reply`)
  return isOneOf([named], reply)
}

test.each([
  ['454 Throttling failure', '454 4.7.0 Throttling failure: Maximum sending rate exceeded.', true],
  ['454 throttling FAILURE', '454 Throttling failure: Maximum sending rate exceeded.', true],
  ['454', '454 anything', true],
  ['421 4.7.0', '421 4.7.0 anything', true],
  ['421 4.7.0', '421 4.7.1 anything', false],
  ['421 4.7.0', '421 anything', false],
  ['454 Throttling failure', '554 Throttling failure', false],
  ['slow down', '550 please Slow Down now', true],
  ['slow down', '550 go on', false],
])('%j names %j: %s', (named, response, expected) => {
  expect(isNamed(named, response)).toBe(expected)
})

test('what is named goes before what the words mean elsewhere, and fails nobody', () => {
  const exchange = { kind: 'refused', stage: 'rcpt', response: '550 5.7.1 Fair use exceeded' } as const
  expect(judgeExchange(exchange)).toMatchObject({ kind: 'failed' })
  expect(judgeExchange(exchange, ['550 5.7.1 fair use'])).toMatchObject({ kind: 'deferred', slower: true })
})

test('who chose an address does not choose the judgement with it', () => {
  const response = '550 5.1.1 <slow-down@example.com>: no such user'
  const exchange = { kind: 'refused', stage: 'rcpt', response } as const
  expect(judgeExchange(exchange, ['slow-down'])).toMatchObject({ kind: 'failed' })
})

test('what a preset names is told from all else, and mail waits for it', () => {
  for (const name of presetNames) {
    for (const reply of presetOptions(presets[name]).slowerReplies ?? []) {
      const response = /^\d/.test(reply) ? reply : `432 4.3.2 ${reply}`
      const outcome = judgeExchange({ kind: 'refused', stage: 'data', response }, [reply])
      expect(outcome).toMatchObject({ kind: 'deferred', slower: true })
    }
  }
})
