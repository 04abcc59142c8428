// What becomes of messages, one ahead of the other, where a connection or its relay lets them down.

import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { RelayOptions } from '../../src/config.js'
import type { Closing } from '../../src/smtp/closing.js'
import { createPool } from '../../src/smtp/pool.js'
import { answerAfter, openScriptedRelay } from './scripted-relay.js'
import { countedPool, gate, messageTo, never, relayTo, sendMany, sendOver } from './sending.js'

const one = { maxConnections: 1, pipelineMessages: true }
const capabilities = ['PIPELINING']

test('a new connection that is lost while leave is asked for is the fault of its relay, however many wait behind it', async () => {
  await using relay = await openScriptedRelay({
    capabilities,
    answer: (command, { index, say, hangUp }) => {
      // No more than so often, or a pool that goes on for ever would not end here.
      if (command !== 'DATA' || index > 19) return undefined
      say('354 go on')
      void systemClock.sleep(5).then(hangUp)
      return ''
    },
  })
  using pool = countedPool(relay.port, one)
  const beforeBody = () => systemClock.sleep(30).then(() => 'ok' as const)
  const sending = Array.from({ length: 5 }, (_, index) =>
    sendOver(pool, `r${index}@example.com`, { beforeBody }),
  )
  const exchanges = await Promise.all(sending)
  expect(exchanges).toMatchObject(Array(5).fill({ kind: 'broken', phase: 'envelope' }))
  expect(relay.connections).toBe(5)
})

test('an answer counts although the one behind it was cut short', async () => {
  await using relay = await openScriptedRelay({
    capabilities,
    answerBody: (_, { index, socket }) => {
      if (index > 0) return undefined
      void systemClock.sleep(30).then(() => socket.end('250 taken\r\n250-the sender\r\n'))
      return ''
    },
    answer: (_, { index }) => (index === 0 && relay.bodies.length > 0 ? '' : undefined),
  })
  using pool = countedPool(relay.port, one)
  expect(await sendMany(pool, 2)).toEqual(['accepted', 'accepted'])
  expect(new Set(relay.bodies).size).toBe(2)
  expect(relay.bodies).toHaveLength(2)
  expect(relay.connections).toBe(2)
})

test('a message that needs another connection gets one that has nothing to do, however many wait', async () => {
  let isOver = false
  const begun: string[] = []
  await using relay = await openScriptedRelay({
    capabilities,
    greet: ({ index }) => (index > 1 ? '421 4.7.0 too many connections' : '220 ready'),
    answer: (command, { index }) => {
      if (command.startsWith('RCPT')) begun.push(`${index}${command}`)
      if (index > 0 || isOver || relay.bodies.length < 10) return isOver && index === 0 ? '' : undefined
      isOver = command.startsWith('MAIL')
      return isOver ? '421 4.7.0 enough for one connection' : undefined
    },
    answerBody: (_, session) => {
      answerAfter(systemClock.sleep(5), session, '250 taken')
      return ''
    },
  })
  using pool = countedPool(relay.port, { ...one, maxConnections: 2 })
  expect(await sendMany(pool, 80)).toEqual(Array(80).fill('accepted'))
  const last = begun.findLast((line) => line.startsWith('0')) ?? 'none'
  const again = begun.indexOf(last.replace('0', '1'))
  expect(again).toBeGreaterThan(0)
  expect(again - begun.indexOf(last)).toBeLessThan(20)
})

/** A relay that answers neither the first message nor the envelope behind it, until it is told to answer the first. */
async function silentRelay() {
  const isHeard = gate()
  const isOver = gate()
  const together: number[] = []
  const relay = await openScriptedRelay({
    capabilities,
    greet: ({ index, socket }) => {
      socket.on('data', (bytes) => {
        if (bytes.includes('\r\n.\r\nMAIL FROM')) together.push(index)
      })
      return '220 ready'
    },
    answerBody: (_, session) => {
      const passed = session.index > 0 ? systemClock.sleep(5) : isOver.passed
      answerAfter(passed, session, '250 taken')
      return ''
    },
    answer: (command, { index }) => {
      if (index === 0 && command === 'DATA' && relay.bodies.length > 0) isHeard.open()
      return index === 0 && relay.bodies.length > 0 && command !== 'QUIT' ? '' : undefined
    },
  })
  return { relay, isHeard, isOver, together }
}

test.each(['first', 'second'])(
  'who gives up the %s of two himself has lost nothing ahead: it goes on',
  async (which) => {
    const { relay, isHeard, isOver, together } = await silentRelay()
    await using _ = relay
    const heard = watchedPool(relay.port)
    const giveUp = new AbortController()
    const sending = ['first', 'second'].map(async (name) => {
      const acquired = await heard.pool.acquire(never)
      if ('refusal' in acquired) throw new Error('no connection')
      const abort = name === which ? { abort: giveUp.signal } : {}
      return acquired.lease.transmit(messageTo(`${name}@example.com`), abort)
    })
    await isHeard.passed
    giveUp.abort()
    isOver.open()
    const kinds = (await Promise.all(sending)).map(({ kind }) => kind)
    expect(kinds).toEqual(which === 'first' ? ['broken', 'accepted'] : ['accepted', 'broken'])
    expect(await sendMany(heard.pool, 4)).toEqual(Array(4).fill('accepted'))
    expect(together.length).toBeGreaterThan(1)
    expect(heard).toMatchObject({ warnings: [], closings: ['cut_off'] })
    heard.pool.drop()
  },
)

test('who gives up before anything of it went out costs no connection, and the relay never hears of it', async () => {
  await using relay = await openScriptedRelay({ capabilities })
  using pool = countedPool(relay.port, one)
  const isAsked = gate()
  const mayGo = gate()
  const beforeBody = async () => {
    isAsked.open()
    await mayGo.passed
    return 'ok' as const
  }
  const first = sendOver(pool, 'first@example.com', { beforeBody })
  const giveUp = new AbortController()
  const acquired = pool.acquire(never)
  await isAsked.passed
  const given = await acquired
  if ('refusal' in given) throw new Error('no connection')
  const second = given.lease.transmit(messageTo('second@example.com'), { abort: giveUp.signal })
  giveUp.abort()
  expect(await second).toMatchObject({ kind: 'broken', phase: 'envelope', code: 'ECONNABORTED' })
  mayGo.open()
  expect(await first).toMatchObject({ kind: 'accepted' })
  expect(await sendMany(pool, 1)).toEqual(['accepted'])
  expect(relay.connections).toBe(1)
  expect(relay.commands.filter((command) => command.includes('second@'))).toEqual([])
})

test('after an answer that was not waited for, nothing goes ahead any more', async () => {
  const { relay, isHeard, isOver, together } = await silentRelay()
  await using _ = relay
  const heard = watchedPool(relay.port, { timeoutMs: 200 })
  const sending = sendMany(heard.pool, 2)
  await isHeard.passed
  await systemClock.sleep(400)
  isOver.open()
  expect(await sending).toEqual(['accepted', 'accepted'])
  expect(await sendMany(heard.pool, 4)).toEqual(Array(4).fill('accepted'))
  expect(together).toEqual([0])
  expect(heard).toMatchObject({ warnings: [expect.any(String)], closings: ['fault'] })
  heard.pool.drop()
})

function watchedPool(port: number, options: Partial<RelayOptions> = {}) {
  const warnings: string[] = []
  const closings: Closing[] = []
  const events = {
    opened: () => undefined,
    failed: () => undefined,
    warned: (problem: string) => void warnings.push(problem),
    closed: (why: Closing) => void closings.push(why),
  }
  return {
    warnings,
    closings,
    pool: createPool('main', relayTo(port, { ...one, ...options }), systemClock, events),
  }
}
