import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { RelayOptions } from '../../src/config.js'
import type { LeaveAnswer } from '../../src/delivery/delivery.js'
import { createPool } from '../../src/smtp/pool.js'
import { answerAfter, openScriptedRelay, type Script } from './scripted-relay.js'
import { countedPool, forwardClock, gate, messageTo, never, relayTo, sendMany, sendOver } from './sending.js'

const one = { maxConnections: 1, pipelineMessages: true } satisfies Partial<RelayOptions>
const end = '\r\n.\r\n'

/** How many envelopes came while the final dot before them was not answered. */
interface Watched {
  ahead: number
  /** Those of them that came in one piece with that final dot. */
  together: number
}

/** A relay that answers each final dot a little later, so that who does not wait for it is seen. */
function watching(script: Script = {}): Script & { readonly seen: Watched } {
  const seen = { ahead: 0, together: 0 }
  const unanswered = new Map<number, number>()
  return {
    seen,
    capabilities: ['PIPELINING'],
    ...script,
    greet(session) {
      session.socket.on('data', (bytes) => {
        if (bytes.includes(`${end}MAIL FROM`)) seen.together += 1
      })
      return script.greet?.(session) ?? '220 ready'
    },
    answer(command, session) {
      if (command.startsWith('MAIL') && unanswered.get(session.index)) seen.ahead += 1
      return script.answer?.(command, session)
    },
    answerBody(body, session) {
      unanswered.set(session.index, 1)
      const said = script.answerBody?.(body, session) ?? '250 taken'
      // What came with it is read first, and answered after it.
      const passed = systemClock.sleep(10).then(() => void unanswered.delete(session.index))
      answerAfter(passed, session, said)
      return ''
    },
  }
}

/** The answer to the first body comes once `passed`. */
function slowFirst(passed: Promise<void>): NonNullable<Script['answerBody']> {
  return (_, { index, say }) => {
    if (index > 0) return undefined
    void passed.then(() => say('250 taken'))
    return ''
  }
}

const lines = (index: number) => Buffer.from(`Subject: ${index}\r\n\r\nbody\r\n`)

test('the next envelope comes in one piece with the final dot before it, and every message arrives once', async () => {
  const script = watching()
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, one)
  expect(await sendMany(pool, 20)).toEqual(Array(20).fill('accepted'))
  expect(script.seen).toEqual({ ahead: 19, together: 19 })
  expect(new Set(relay.bodies).size).toBe(20)
  expect(relay.bodies).toHaveLength(20)
  expect(relay.connections).toBe(1)
})

test.each([
  ['that is not asked for', ['PIPELINING'], {}],
  ['that the relay does not announce', [], one],
])('nothing comes ahead %s', async (_, capabilities, options) => {
  const script = watching({ capabilities })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, { maxConnections: 1, ...options })
  expect(await sendMany(pool, 5)).toEqual(Array(5).fill('accepted'))
  expect(script.seen.ahead).toBe(0)
})

test('a message that may have a connection of its own is not sent behind another one', async () => {
  const script = watching()
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, { ...one, maxConnections: 5 })
  expect(await sendMany(pool, 5)).toEqual(Array(5).fill('accepted'))
  expect(script.seen.ahead).toBe(0)
  expect(relay.connections).toBe(5)
})

test('a message that comes while the one before it waits for its answer goes out at once', async () => {
  const isAsked = gate()
  const isHeard = gate()
  await using relay = await openScriptedRelay({
    capabilities: ['PIPELINING'],
    answerBody: (_, session) => {
      if (relay.bodies.length > 1) return undefined
      isAsked.open()
      answerAfter(isHeard.passed, session, '250 taken')
      return ''
    },
    answer: (command) => {
      if (command === 'DATA' && relay.bodies.length === 1) isHeard.open()
      return undefined
    },
  })
  using pool = countedPool(relay.port, one)
  const first = sendOver(pool, 'a@example.com')
  await isAsked.passed
  expect(await sendOver(pool, 'b@example.com')).toMatchObject({ kind: 'accepted' })
  expect(await first).toMatchObject({ kind: 'accepted' })
  expect(relay.connections).toBe(1)
})

test('a message that is refused at its final dot takes nothing from the one behind it', async () => {
  const script = watching({
    answerBody: (body) => (body.includes('Subject: 1\r') ? '550 5.7.1 no spam' : undefined),
  })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, one)
  expect(await sendMany(pool, 4)).toEqual(['accepted', 'refused', 'accepted', 'accepted'])
  expect(script.seen.ahead).toBe(3)
  expect(relay.connections).toBe(1)
})

test('a recipient that is refused ahead is refused, and the connection goes on', async () => {
  const script = watching({
    answer: (command) => {
      if (command.includes('r1@')) return '550 5.1.1 no such user'
      const isAfterRefusal = command === 'DATA' && relay.commands.at(-2)?.includes('r1@')
      return isAfterRefusal ? '503 5.5.1 no recipients' : undefined
    },
  })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, one)
  expect(await sendMany(pool, 4)).toEqual(['accepted', 'refused', 'accepted', 'accepted'])
  expect(relay.bodies).toHaveLength(3)
  expect(relay.commands).toContain('RSET')
  expect(relay.connections).toBe(1)
})

test('a 421 to a final dot is about that message, and the one behind it goes to another connection', async () => {
  const script = watching({
    answerBody: (_, { index }) => (index === 0 ? '421 4.3.2 shutting down' : undefined),
  })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, one)
  expect(await sendMany(pool, 3)).toEqual(['refused', 'accepted', 'accepted'])
  expect(script.seen.ahead).toBeGreaterThan(0)
  expect(relay.bodies).toHaveLength(3)
  expect(relay.connections).toBe(2)
})

test('a connection that is lost after a final dot is a doubt about one message, and nothing is sent ahead for ten minutes', async () => {
  let isLost = true
  const script = watching({
    answerBody: (_, { hangUp }) => {
      if (isLost) hangUp()
      return undefined
    },
  })
  await using relay = await openScriptedRelay(script)
  const clock = forwardClock()
  const warnings: string[] = []
  const events = {
    opened: () => undefined,
    failed: () => undefined,
    warned: (problem: string) => void warnings.push(problem),
    closed: () => {
      isLost = false
    },
  }
  const pool = createPool('main', relayTo(relay.port, one), clock, events)
  expect(await sendMany(pool, 4)).toEqual(['broken', 'accepted', 'accepted', 'accepted'])
  expect(script.seen.together).toBe(1)
  expect(relay.bodies).toHaveLength(4)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toContain('nothing goes ahead for 10 minutes')
  clock.forward(599_000)
  await sendMany(pool, 4)
  expect(script.seen.together).toBe(1)
  clock.forward(2_000)
  await sendMany(pool, 4)
  expect(script.seen.together).toBe(4)
  pool.close()
  pool.drop()
})

test('a relay that answers a final dot twice gets the message behind it over another connection, and no body in between', async () => {
  await using relay = await openScriptedRelay({
    capabilities: ['PIPELINING'],
    answerBody: (_, { index }) => (index === 0 ? '250 taken\r\n250 taken indeed' : undefined),
    answer: (command, session) => {
      if (command !== 'DATA' || session.index > 0 || relay.bodies.length === 0) return undefined
      answerAfter(systemClock.sleep(20), session, '354 go on')
      return ''
    },
  })
  using pool = countedPool(relay.port, one)
  expect(await sendMany(pool, 2)).toEqual(['accepted', 'accepted'])
  expect(relay.bodies).toHaveLength(2)
  expect(new Set(relay.bodies).size).toBe(2)
  expect(relay.connections).toBe(2)
})

test('a relay that loses what came ahead gets it over another connection', async () => {
  let isDeaf = true
  const script = watching({
    answer: (command) => {
      const isLost = isDeaf && relay.bodies.length === 1 && /^(MAIL|RCPT|DATA)/.test(command)
      if (isLost && command === 'DATA') isDeaf = false
      return isLost ? '' : undefined
    },
  })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, { ...one, timeoutMs: 300 })
  expect(await sendMany(pool, 3)).toEqual(['accepted', 'accepted', 'accepted'])
  expect(relay.bodies).toHaveLength(3)
  expect(relay.connections).toBe(2)
})

test('nobody waits behind a slow answer for longer than for any other: it goes over another connection', async () => {
  const isOver = gate()
  await using relay = await openScriptedRelay({
    capabilities: ['PIPELINING'],
    answerBody: slowFirst(isOver.passed),
    answer: (command, { index }) => {
      const isBehind = index === 0 && relay.bodies.length > 0 && command !== 'QUIT'
      return isBehind ? '' : undefined
    },
  })
  let most = 1
  const sharing = { shared: { allowed: () => most, want: () => undefined } }
  using pool = countedPool(relay.port, { ...one, maxConnections: 2, timeoutMs: 200 }, systemClock, sharing)
  const first = sendOver(pool, 'a@example.com')
  const second = sendOver(pool, 'b@example.com')
  await expect.poll(() => relay.bodies).toHaveLength(1)
  most = 2
  expect(await second).toMatchObject({ kind: 'accepted' })
  isOver.open()
  expect(await first).toMatchObject({ kind: 'accepted' })
  expect(relay.bodies).toHaveLength(2)
  await expect.poll(() => relay.open).toBe(1)
})

test('a message that is given up behind another one settles at once, and harms it not', async () => {
  const isOver = gate()
  const isHeard = gate()
  await using relay = await openScriptedRelay({
    capabilities: ['PIPELINING'],
    answerBody: slowFirst(isOver.passed),
    answer: (command, { index }) => {
      if (index > 0 || relay.bodies.length === 0) return undefined
      if (command === 'DATA') isHeard.open()
      return ''
    },
  })
  using pool = countedPool(relay.port, one)
  const first = sendOver(pool, 'a@example.com')
  const giveUp = new AbortController()
  const acquired = await pool.acquire(never)
  if ('refusal' in acquired) throw new Error('no connection')
  const second = acquired.lease.transmit(messageTo('b@example.com'), { abort: giveUp.signal })
  await isHeard.passed
  giveUp.abort()
  expect(await second).toMatchObject({ kind: 'broken', phase: 'envelope', code: 'ECONNABORTED' })
  isOver.open()
  expect(await first).toMatchObject({ kind: 'accepted' })
  expect(await sendMany(pool, 1)).toEqual(['accepted'])
  expect(relay.connections).toBe(2)
  expect(relay.bodies).toHaveLength(2)
})

const refusals: readonly LeaveAnswer[] = ['paused', 'ledger_unreachable']

test.each(refusals)('a message that gets no leave (%s) leaves none of the others behind', async (answer) => {
  const script = watching()
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, one)
  const sending = Array.from({ length: 6 }, (_, index) =>
    sendOver(pool, `r${index}@example.com`, {
      bytes: lines(index),
      beforeBody: async () => (index % 2 === 0 ? 'ok' : answer),
    }),
  )
  const exchanges = await Promise.all(sending)
  const expected = exchanges.map((_, index) => (index % 2 === 0 ? 'accepted' : 'stopped'))
  expect(exchanges.map(({ kind }) => kind)).toEqual(expected)
  expect(relay.bodies).toHaveLength(3)
  expect(script.seen.ahead).toBeGreaterThan(0)
})

test('no connection carries more than maxMessagesPerConnection', async () => {
  const begun = new Map<number, number>()
  const script = watching({
    answer: (command, { index }) => {
      if (command.startsWith('MAIL')) begun.set(index, (begun.get(index) ?? 0) + 1)
      return undefined
    },
  })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, { ...one, maxMessagesPerConnection: 3 })
  expect(await sendMany(pool, 10)).toEqual(Array(10).fill('accepted'))
  expect([...begun.values()]).toEqual([3, 3, 3, 1])
  expect(script.seen.ahead).toBe(6)
})

test('a connection that another process is to have takes nothing more behind its message', async () => {
  const begun: number[] = []
  const script = watching({
    answer: (command, { index }) => {
      if (command.startsWith('MAIL')) begun.push(index)
      return undefined
    },
  })
  await using relay = await openScriptedRelay(script)
  let most = 2
  const sharing = { shared: { allowed: () => most, want: () => undefined } }
  using pool = countedPool(relay.port, { ...one, maxConnections: 2 }, systemClock, sharing)
  const sending = sendMany(pool, 40)
  await expect.poll(() => relay.bodies.length).toBeGreaterThan(5)
  most = 1
  pool.attend()
  const begunBefore = begun.length
  expect(await sending).toEqual(Array(40).fill('accepted'))
  expect(pool.open).toBe(1)
  const switches = begun.slice(begunBefore + 2).filter((index, at, all) => at > 0 && index !== all[at - 1])
  expect(switches).toEqual([])
})

test('a message that is too large for the relay is refused without a word of it on the wire', async () => {
  const script = watching({ capabilities: ['PIPELINING', 'SIZE 1000'] })
  await using relay = await openScriptedRelay(script)
  using pool = countedPool(relay.port, one)
  const large = Buffer.from(`Subject: large\r\n\r\n${'x'.repeat(900)}\r\n${'y'.repeat(900)}\r\n`)
  const sending = [lines(0), large, lines(2)].map((bytes, index) =>
    sendOver(pool, `r${index}@example.com`, { bytes }),
  )
  expect((await Promise.all(sending)).map(({ kind }) => kind)).toEqual(['accepted', 'refused', 'accepted'])
  expect(relay.commands.filter((command) => command.includes('r1@'))).toEqual([])
  expect(relay.connections).toBe(1)
})

interface Given {
  readonly to: string
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  readonly length: number
}

const envelope: fc.Arbitrary<Given> = fc.record({
  to: fc.constantFrom('anna@example.com', 'jürgen@example.com', 'o.brien+tag@exämple.com', 'x@[192.0.2.1]'),
  eightBit: fc.boolean(),
  smtpUtf8: fc.boolean(),
  length: fc.integer({ min: 1, max: 300 }),
})

test('what goes out ahead is what goes out in its turn, whatever the envelope', async () => {
  const capabilities = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 100000']
  const sendAll = async (envelopes: readonly Given[], pipelineMessages: boolean) => {
    await using relay = await openScriptedRelay({ capabilities })
    using pool = countedPool(relay.port, { maxConnections: 1, pipelineMessages })
    const sending = envelopes.map(async ({ length, ...given }) => {
      const acquired = await pool.acquire(never)
      if ('refusal' in acquired) throw new Error('no connection')
      const bytes = Buffer.from(`Subject: x\r\n\r\n${'b'.repeat(length)}\r\n`)
      return acquired.lease.transmit({ ...messageTo(given.to), ...given, bytes })
    })
    const kinds = (await Promise.all(sending)).map(({ kind }) => kind)
    return { kinds, commands: relay.commands.filter((command) => command !== 'QUIT'), bodies: relay.bodies }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(envelope, { minLength: 2, maxLength: 6 }), async (envelopes) => {
      expect(await sendAll(envelopes, true)).toEqual(await sendAll(envelopes, false))
    }),
    { numRuns: 10 },
  )
})
