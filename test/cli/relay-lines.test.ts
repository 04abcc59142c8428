import { expect, inject, test } from 'vitest'
import { createRedis, keysOf } from '../../src/redis.js'
import { type Circuit, newCircuit } from '../../src/smtp/circuit.js'
import { widthOf } from '../../src/terminal/text.js'
import { freshName } from '../helpers/fresh-name.js'
import { run } from './terminal.js'

/** The arguments that lead to a Redis in which these circuits stand. */
async function given(circuits: Record<string, Partial<Circuit>>): Promise<string[]> {
  const name = freshName()
  const redis = createRedis(inject('redisUrl'), 'worker')
  for (const [relay, circuit] of Object.entries(circuits)) {
    await redis.hset(keysOf(name).circuit(relay), 'circuit', JSON.stringify({ ...newCircuit, ...circuit }))
    await redis.zadd(keysOf(name).relays, Date.now(), relay)
  }
  redis.disconnect()
  return ['--redis', inject('redisUrl'), '--name', name]
}

const at = Date.now()
const reply = '535 5.7.8 wrong\u001b'
const open = { state: 'open', fault: 'auth', reply, openedAt: at, until: at + 5_000 } as const
const held = { since: at, until: at + 60_000, refusals: 1 }
const senders = {
  'bad\u001b@example.com': { ...held, reply: '550 5.7.1 not you' },
  'gone@example.com': { ...held, until: at - 3_700_000 },
}

test('status says which relay is not used and why, and which sender is held', async () => {
  const args = await given({ a: open, b: { senders }, c: {} })
  const { exitCode, stdout } = await run(['status', ...args])
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(
    /^relay a: circuit open, it refuses the login, since .*\n {2}it said: 535 5.7.8 wrong.*\n {2}next probe .*$/m,
  )
  expect(stdout).toMatch(/^relay b: circuit closed$/m)
  expect(stdout).toMatch(/^ {2}refuses bad.*@example\.com; next try .*\n {4}it said: 550 5.7.1 not you$/m)
  expect(stdout).not.toContain('gone@example.com')
  expect(stdout).not.toContain('relay c')
  expect(stdout).not.toContain('\u001b')
})

test('status says nothing of relays that are well, unless it is asked for them', async () => {
  const args = await given({ main: {} })
  expect((await run(['status', ...args])).stdout).not.toContain('relay')
  expect((await run(['status', '--relays', ...args])).stdout).toBe('relay main: circuit closed\n')
  const none = await run(['status', '--relays', ...(await given({}))])
  expect(none.stdout).toBe('no worker had a relay within the last day\n')
})

test('the relays as JSON are what queue.relays() gives', async () => {
  const { stdout } = await run(['status', '--relays', '--json', ...(await given({ a: open }))])
  expect(JSON.parse(stdout)).toEqual([
    {
      relay: 'a',
      circuit: 'open',
      fault: 'auth',
      reply,
      openedAt: new Date(at).toISOString(),
      nextProbeAt: new Date(at + 5_000).toISOString(),
      senders: [],
    },
  ])
})

test('every line fits the terminal', async () => {
  const many = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [
      `sender-${index}@example.com`,
      { since: at, until: at, refusals: 1 },
    ]),
  )
  const { stdout } = await run(['status', ...(await given({ a: { ...open, senders: many } }))], {
    columns: 60,
    isTTY: true,
  })
  expect(stdout).toContain('and 2 senders more')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are no text
  for (const line of stdout.replace(/\u001b\[\d+m/g, '').split('\n'))
    expect(widthOf(line)).toBeLessThanOrEqual(60)
})
