import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { RelayOptions } from '../../src/config.js'
import type { Closing } from '../../src/smtp/closing.js'
import { createPool, type Pool, type PoolOptions } from '../../src/smtp/pool.js'
import { eventually } from '../helpers/eventually.js'
import { openScriptedRelay, type Script, type Session } from './scripted-relay.js'
import { forwardClock, gate, messageTo, never, relayTo, sendOver } from './sending.js'

interface Closed {
  readonly why: Closing
  readonly messages: number
}

/** A pool that writes down why its connections ended. */
function watchedPool(
  port: number,
  options: Partial<RelayOptions> = {},
  { clock = systemClock, ...sharing }: PoolOptions & { clock?: typeof systemClock } = {},
): { readonly pool: Pool; readonly closed: readonly Closed[] } & Disposable {
  const closed: Closed[] = []
  const events = {
    opened: () => undefined,
    closed: (why: Closing, messages: number) => void closed.push({ why, messages }),
    failed: () => undefined,
  }
  const pool = createPool('main', relayTo(port, options), clock, events, sharing)
  return { pool, closed, [Symbol.dispose]: () => pool.drop() }
}

const ended = (closed: readonly Closed[], count = 1) =>
  eventually('the connections have ended', () => (closed.length >= count ? closed : undefined))

test('a connection without a message for long enough is closed as idle', async () => {
  await using relay = await openScriptedRelay()
  const clock = forwardClock()
  using watched = watchedPool(relay.port, { idleMs: 60_000 }, { clock })
  await sendOver(watched.pool, 'a@example.com')
  expect(watched.pool.states).toEqual({ opening: 0, busy: 0, idle: 1, leaving: 0 })
  clock.forward(60_000)
  expect(await ended(watched.closed)).toEqual([{ why: 'idle', messages: 1 }])
})

test('a connection that has carried its messages is closed as used up', async () => {
  await using relay = await openScriptedRelay()
  using watched = watchedPool(relay.port, { maxMessagesPerConnection: 2 })
  for (const to of ['a', 'b', 'c']) await sendOver(watched.pool, `${to}@example.com`)
  expect(await ended(watched.closed)).toEqual([{ why: 'used_up', messages: 2 }])
})

test('a connection that another process is to have is closed as over the share', async () => {
  await using relay = await openScriptedRelay()
  let allowed = 1
  const shared = { allowed: () => allowed, want: () => undefined }
  using watched = watchedPool(relay.port, {}, { shared })
  await sendOver(watched.pool, 'a@example.com')
  allowed = 0
  watched.pool.attend()
  expect(await ended(watched.closed)).toEqual([{ why: 'over_share', messages: 1 }])
})

test('connections of a pool that closes are closed as that', async () => {
  await using relay = await openScriptedRelay()
  using watched = watchedPool(relay.port)
  await sendOver(watched.pool, 'a@example.com')
  watched.pool.close()
  expect(await ended(watched.closed)).toEqual([{ why: 'closing', messages: 1 }])
})

test('a connection that is hung up here in the middle of a message is cut off', async () => {
  await using relay = await openScriptedRelay({ answerBody: () => '' })
  using watched = watchedPool(relay.port)
  const sending = sendOver(watched.pool, 'a@example.com')
  await eventually('the relay has it', () => relay.bodies.length === 1)
  expect(watched.pool.states).toMatchObject({ busy: 1, idle: 0 })
  watched.pool.drop()
  await sending
  expect(await ended(watched.closed)).toEqual([{ why: 'cut_off', messages: 1 }])
})

test('a connection whose message lost leave to be sent is closed as stopped', async () => {
  await using relay = await openScriptedRelay()
  using watched = watchedPool(relay.port)
  await sendOver(watched.pool, 'a@example.com', { beforeBody: async () => 'paused' })
  expect(await ended(watched.closed)).toEqual([{ why: 'stopped', messages: 1 }])
})

const byTheRelay: [string, Script, Closing][] = [
  ['closes while no message is on it', {}, 'relay_closed'],
  [
    'answers MAIL with 421',
    { answer: (said) => (/^MAIL/.test(said) ? '421 enough' : undefined) },
    'relay_closed',
  ],
  ['closes in place of an answer', { answer: hangUpAt('RCPT') }, 'relay_closed'],
  [
    'closes in place of the last answer',
    { answerBody: (_body, session) => hangUpNow(session) },
    'relay_closed',
  ],
  [
    'answers what is no reply',
    { answer: (said) => (/^RCPT/.test(said) ? 'hello there' : undefined) },
    'fault',
  ],
  ['says nothing any more', { answer: (said) => (/^RCPT/.test(said) ? '' : undefined) }, 'fault'],
]

function hangUpNow({ hangUp }: Session): string {
  hangUp()
  return ''
}

function hangUpAt(verb: string): NonNullable<Script['answer']> {
  return (said, session) => (said.startsWith(verb) ? hangUpNow(session) : undefined)
}

test.each(byTheRelay)('a relay that %s has its connection counted for it', async (what, script, why) => {
  const sockets: (() => void)[] = []
  await using relay = await openScriptedRelay({
    ...script,
    greet: ({ hangUp }) => {
      sockets.push(hangUp)
      return '220 ready'
    },
  })
  using watched = watchedPool(relay.port, { timeoutMs: 300 })
  await sendOver(watched.pool, 'a@example.com')
  if (what.startsWith('closes while')) for (const hangUp of sockets) hangUp()
  const [first] = await ended(watched.closed)
  expect(first).toEqual({ why, messages: 1 })
})

test('connections are told apart by whether they are opened, used, kept or leaving', async () => {
  const greeting = gate<void>()
  const quit = gate<void>()
  await using relay = await openScriptedRelay({
    greet: ({ say }) => {
      void greeting.passed.then(() => say('220 ready'))
      return ''
    },
    answer: (said, { say, hangUp }) => {
      if (said !== 'QUIT') return undefined
      void quit.passed.then(() => say('221 bye')).then(hangUp)
      return ''
    },
  })
  using watched = watchedPool(relay.port, { maxMessagesPerConnection: 1 })
  const acquiring = watched.pool.acquire(never)
  expect(watched.pool.states).toEqual({ opening: 1, busy: 0, idle: 0, leaving: 0 })
  greeting.open()
  const acquired = await acquiring
  expect(watched.pool.states).toEqual({ opening: 0, busy: 1, idle: 0, leaving: 0 })
  if ('lease' in acquired) await acquired.lease.transmit(messageTo('a@example.com'))
  expect(watched.pool.states).toEqual({ opening: 0, busy: 0, idle: 0, leaving: 1 })
  quit.open()
  await ended(watched.closed)
  expect(watched.pool.states).toEqual({ opening: 0, busy: 0, idle: 0, leaving: 0 })
})
