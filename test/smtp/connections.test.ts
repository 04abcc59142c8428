import { expect, test } from 'vitest'
import type { Lease } from '../../src/smtp/lease.js'
import type { Pool } from '../../src/smtp/pool.js'
import { openScriptedRelay, type Session } from './scripted-relay.js'
import { countedPool, forwardClock, messageTo, never, sendMany, sendOver } from './sending.js'

async function leaseFrom(pool: Pool): Promise<Lease> {
  const acquired = await pool.acquire(never)
  if ('refusal' in acquired) throw new Error('no connection was to be had')
  return acquired.lease
}

const full = '421 4.7.0 too many connections'

test('everybody who waits hears that the relay cannot be reached', async () => {
  await using relay = await openScriptedRelay({ greet: () => '554 5.7.1 not you' })
  using pool = countedPool(relay.port, { maxConnections: 2 })
  const kinds = await sendMany(pool, 30)
  expect(new Set(kinds)).toEqual(new Set(['broken']))
  expect(relay.connections).toBe(2)
  expect(pool.failed).toBe(1)
})

test('everybody who waits is served also when the relay goes away in the middle', async () => {
  await using relay = await openScriptedRelay({
    greet: ({ index }) => (index === 0 ? '220 ready' : '554 5.7.1 not you'),
    answerBody: (_, { say, hangUp, socket }) => {
      say('250 taken')
      socket.once('drain', hangUp)
      socket.end()
      return ''
    },
  })
  using pool = countedPool(relay.port, { maxConnections: 1 })
  const kinds = await sendMany(pool, 30)
  expect(kinds[0]).toBe('accepted')
  expect(new Set(kinds.slice(1))).toEqual(new Set(['broken']))
})

test('everybody who waits is served where the relay hangs up after each message', async () => {
  await using relay = await openScriptedRelay({
    answerBody: (_, { say, socket }) => {
      say('250 taken')
      socket.end()
      return ''
    },
  })
  using pool = countedPool(relay.port, { maxConnections: 5 })
  expect(new Set(await sendMany(pool, 30))).toEqual(new Set(['accepted']))
  expect(relay.bodies).toHaveLength(30)
})

test('a relay that allows few connections goes on over these and counts as there', async () => {
  await using relay = await openScriptedRelay({
    greet: () => (relay.open > 2 ? full : '220 ready'),
  })
  using pool = countedPool(relay.port, { maxConnections: 5 })
  expect(new Set(await sendMany(pool, 40))).toEqual(new Set(['accepted']))
  const tried = relay.connections
  expect(tried).toBe(5)
  expect(new Set(await sendMany(pool, 40))).toEqual(new Set(['accepted']))
  expect(relay.connections).toBe(tried)
  expect(pool.failed).toBe(0)
})

test('after a while one more connection is tried, and all of them once that one is had', async () => {
  let allowed = 1
  await using relay = await openScriptedRelay({
    greet: () => (relay.open > allowed ? full : '220 ready'),
  })
  const clock = forwardClock()
  using pool = countedPool(relay.port, { maxConnections: 4, idleMs: 3_600_000 }, clock)
  await sendMany(pool, 8)
  expect(relay.connections).toBe(4)
  clock.forward(30_000)
  await sendMany(pool, 8)
  expect(relay.connections).toBe(5)
  allowed = 4
  clock.forward(30_000)
  await sendMany(pool, 8)
  expect(pool.open).toBe(4)
})

test('who waits gets that connection also when all others stay busy', async () => {
  let allowed = 1
  await using relay = await openScriptedRelay({
    greet: () => (relay.open > allowed ? full : '220 ready'),
    answerBody: (_, { index }) => (index === 0 ? '' : undefined),
  })
  const clock = forwardClock()
  using pool = countedPool(relay.port, { maxConnections: 2, finalReplyTimeoutMs: 60_000 }, clock)
  const busy = sendOver(pool, 'busy@example.com')
  await expect.poll(() => relay.bodies.length).toBe(1)
  const waiting = sendOver(pool, 'waiting@example.com')
  await expect.poll(() => relay.connections).toBe(2)
  await expect.poll(() => pool.open).toBe(1)
  allowed = 2
  clock.forward(30_000)
  expect(await waiting).toMatchObject({ kind: 'accepted' })
  pool.drop()
  expect(await busy).toMatchObject({ kind: 'broken', phase: 'window' })
})

test('a place that the relay had given is taken again as soon as it is free', async () => {
  const sessions: Session[] = []
  await using relay = await openScriptedRelay({
    greet: (session) => {
      sessions.push(session)
      return relay.open > 2 ? full : '220 ready'
    },
  })
  using pool = countedPool(relay.port, { maxConnections: 5 })
  await sendMany(pool, 20)
  expect([relay.connections, pool.open]).toEqual([5, 2])
  sessions[0]?.hangUp()
  await expect.poll(() => pool.open).toBe(1)
  await sendMany(pool, 20)
  expect([relay.connections, pool.open]).toEqual([6, 2])
})

test('a place that is not free at once is asked for again after a second', async () => {
  let allowed = 2
  const sessions: Session[] = []
  await using relay = await openScriptedRelay({
    greet: (session) => {
      sessions.push(session)
      return relay.open > allowed ? full : '220 ready'
    },
  })
  const clock = forwardClock()
  using pool = countedPool(relay.port, { maxConnections: 5, idleMs: 3_600_000 }, clock)
  await sendMany(pool, 20)
  allowed = 1
  sessions[0]?.hangUp()
  await expect.poll(() => pool.open).toBe(1)
  await sendMany(pool, 20)
  expect([relay.connections, pool.open]).toEqual([6, 1])
  allowed = 2
  clock.forward(1_000)
  await sendMany(pool, 20)
  expect(pool.open).toBe(2)
})

test('a message whose connection was gone does not wait until all others are through', async () => {
  let allowed = 2
  await using relay = await openScriptedRelay({
    greet: () => (relay.open > allowed ? full : '220 ready'),
    answer: (command, { index, hangUp }) => {
      if (!command.startsWith('MAIL') || index > 0 || allowed === 2) return undefined
      hangUp()
      return ''
    },
  })
  using pool = countedPool(relay.port, { maxConnections: 2 })
  await sendMany(pool, 2)
  allowed = 1
  const before = relay.bodies.length
  expect(new Set(await sendMany(pool, 30))).toEqual(new Set(['accepted']))
  const first = relay.bodies.slice(before, before + 10).map((body) => body.split('\r\n')[0])
  expect(first).toEqual(expect.arrayContaining(['Subject: 0', 'Subject: 1']))
})

test('once none is open the relay is tried at once, whatever it allowed before', async () => {
  const sessions: Session[] = []
  await using relay = await openScriptedRelay({
    greet: (session) => {
      sessions.push(session)
      return relay.open > 1 ? full : '220 ready'
    },
    answerBody: (_, { index }) => (index === 0 ? '' : undefined),
  })
  using pool = countedPool(relay.port, { maxConnections: 2 })
  const lost = sendOver(pool, 'lost@example.com')
  await expect.poll(() => relay.bodies.length).toBe(1)
  const waiting = sendOver(pool, 'waiting@example.com')
  await expect.poll(() => relay.connections).toBe(2)
  await expect.poll(() => pool.open).toBe(1)
  sessions[0]?.hangUp()
  expect(await lost).toMatchObject({ kind: 'broken', phase: 'window' })
  expect(await waiting).toMatchObject({ kind: 'accepted' })
})

const second = (relay: { readonly bodies: readonly string[] }) => relay.bodies.length === 1

test('a kept connection that was closed without a word is replaced, and the message goes out', async () => {
  await using relay = await openScriptedRelay({
    answer: (command, { index, hangUp }) => {
      if (!command.startsWith('MAIL') || index > 0 || !second(relay)) return undefined
      hangUp()
      return ''
    },
  })
  using pool = countedPool(relay.port)
  expect(await sendMany(pool, 1)).toEqual(['accepted'])
  expect(await sendMany(pool, 1)).toEqual(['accepted'])
  expect(relay.connections).toBe(2)
})

for (const capabilities of [[], ['PIPELINING']]) {
  const how = capabilities[0] ?? 'no pipelining'

  test(`a kept connection that answers MAIL FROM with 421 is replaced (${how})`, async () => {
    await using relay = await openScriptedRelay({
      capabilities,
      answer: (command, { index }) =>
        command.startsWith('MAIL') && index === 0 && second(relay) ? '421 4.4.2 timed out' : undefined,
    })
    using pool = countedPool(relay.port)
    await sendMany(pool, 1)
    expect(await sendMany(pool, 1)).toEqual(['accepted'])
    expect(relay.connections).toBe(2)
  })

  test(`a 421 to RCPT on a kept connection is an answer and is not repeated (${how})`, async () => {
    await using relay = await openScriptedRelay({
      capabilities,
      answer: (command) => (command.startsWith('RCPT') && second(relay) ? '421 4.7.0 slow down' : undefined),
    })
    using pool = countedPool(relay.port)
    await sendMany(pool, 1)
    const exchange = await sendOver(pool, 'b@example.com')
    expect(exchange).toMatchObject({ response: '421 4.7.0 slow down' })
    expect(relay.connections).toBe(1)
  })

  test(`a kept connection that is lost before the final dot is replaced, and a fresh one is not (${how})`, async () => {
    let isWell = true
    await using relay = await openScriptedRelay({
      capabilities,
      answer: (command, { index, hangUp, say, socket }) => {
        if (!second(relay) || !/^(MAIL|RCPT|DATA)/.test(command) || (isWell && index > 1)) return undefined
        if (command.startsWith('MAIL')) {
          say('250 fine')
          socket.once('drain', hangUp)
          socket.end()
        }
        return ''
      },
    })
    using pool = countedPool(relay.port)
    await sendMany(pool, 1)
    isWell = false
    expect(await sendOver(pool, 'b@example.com')).toMatchObject({ kind: 'broken', phase: 'envelope' })
    expect(relay.connections).toBe(2)
    isWell = true
    expect(await sendMany(pool, 1)).toEqual(['accepted'])
    expect(relay.bodies).toHaveLength(2)
  })
}

test('a kept connection that is lost in the middle of a large body is replaced, and the body arrives once', async () => {
  await using relay = await openScriptedRelay({
    answer: (command, { index, socket, hangUp }) => {
      if (command === 'DATA' && index === 0 && second(relay)) socket.once('data', hangUp)
      return undefined
    },
  })
  using pool = countedPool(relay.port)
  await sendMany(pool, 1)
  // More than what the system takes for a relay that does not read.
  const bytes = Buffer.alloc(15_000_000, 'a line of some words\r\n')
  expect(await sendOver(pool, 'b@example.com', { bytes })).toMatchObject({ kind: 'accepted' })
  expect(relay.bodies).toHaveLength(2)
  expect(relay.connections).toBe(2)
})

test('a kept connection on which nothing comes any more is replaced, and a fresh one is not', async () => {
  let isWell = false
  await using relay = await openScriptedRelay({
    answer: (command, { index }) =>
      command.startsWith('MAIL') && second(relay) && !(isWell && index > 1) ? '' : undefined,
  })
  using pool = countedPool(relay.port, { timeoutMs: 50, idleMs: 5_000 })
  await sendMany(pool, 1)
  expect(await sendOver(pool, 'b@example.com')).toMatchObject({ kind: 'broken', code: 'ETIMEDOUT' })
  expect(relay.connections).toBe(2)
  isWell = true
  expect(await sendMany(pool, 1)).toEqual(['accepted'])
})

test('a connection that was closed while it was leased is replaced', async () => {
  const sessions: Session[] = []
  await using relay = await openScriptedRelay({
    greet: (session) => {
      sessions.push(session)
      return '220 ready'
    },
  })
  using pool = countedPool(relay.port, { maxConnections: 1 })
  const lease = await leaseFrom(pool)
  sessions[0]?.hangUp()
  await expect.poll(() => pool.open).toBe(0)
  expect(await lease.transmit(messageTo('a@example.com'))).toMatchObject({ kind: 'accepted' })
  expect(relay.connections).toBe(2)
})

test('a lease that is given back unused serves the next in the line', async () => {
  await using relay = await openScriptedRelay()
  using pool = countedPool(relay.port, { maxConnections: 1 })
  const lease = await leaseFrom(pool)
  const waiting = sendOver(pool, 'a@example.com')
  lease.release()
  expect(await waiting).toMatchObject({ kind: 'accepted' })
  await expect(lease.transmit(messageTo('b@example.com'))).rejects.toThrow(TypeError)
  expect(relay.bodies).toHaveLength(1)
})

test('giving back a lease that was used does not lend its connection twice', async () => {
  await using relay = await openScriptedRelay({ answerBody: () => '' })
  using pool = countedPool(relay.port, { maxConnections: 1 })
  const lease = await leaseFrom(pool)
  const sending = lease.transmit(messageTo('a@example.com'))
  lease.release()
  const waiting = sendOver(pool, 'b@example.com')
  await expect.poll(() => relay.bodies.length).toBe(1)
  pool.drop()
  expect(await sending).toMatchObject({ kind: 'broken', phase: 'window' })
  expect(await waiting).toEqual({ kind: 'stopped', answer: 'closing' })
})

test('told to stop waiting, a message on the wire goes on', async () => {
  const abort = new AbortController()
  await using relay = await openScriptedRelay({
    answerBody: () => {
      abort.abort()
      return undefined
    },
  })
  using pool = countedPool(relay.port)
  const exchange = await sendOver(pool, 'a@example.com', { signal: abort.signal })
  expect(exchange).toMatchObject({ kind: 'accepted' })
  expect(abort.signal.aborted).toBe(true)
})

test('close lets a message on the wire finish and hangs up afterwards', async () => {
  await using relay = await openScriptedRelay({
    answerBody: () => {
      pool.close()
      return undefined
    },
  })
  using pool = countedPool(relay.port)
  expect(await sendOver(pool, 'a@example.com')).toMatchObject({ kind: 'accepted' })
  await expect.poll(() => relay.open).toBe(0)
  expect(relay.commands.at(-1)).toBe('QUIT')
  expect(await sendOver(pool, 'b@example.com')).toEqual({ kind: 'stopped', answer: 'closing' })
})

test('close ends a connection that is being opened', async () => {
  await using relay = await openScriptedRelay({ greet: () => '' })
  using pool = countedPool(relay.port)
  const waiting = sendOver(pool, 'a@example.com')
  await expect.poll(() => relay.open).toBe(1)
  pool.close()
  expect(await waiting).toEqual({ kind: 'stopped', answer: 'closing' })
  await expect.poll(() => relay.open).toBe(0)
})

test('drop hangs up whatever is on the wire, idle, or being opened', async () => {
  await using relay = await openScriptedRelay({
    greet: ({ index }) => (index === 3 ? '' : '220 ready'),
    answer: (command) => (command === 'RCPT TO:<envelope@example.com>' ? '' : undefined),
    answerBody: () => '',
  })
  using pool = countedPool(relay.port)
  const inWindow = sendOver(pool, 'window@example.com')
  await expect.poll(() => relay.bodies.length).toBe(1)
  const inEnvelope = sendOver(pool, 'envelope@example.com')
  await expect.poll(() => relay.commands.at(-1)).toContain('envelope@')
  const leased = await leaseFrom(pool)
  const waiting = leaseFrom(pool)
  await expect.poll(() => relay.open).toBe(4)
  leased.release()
  const idle = await waiting
  idle.release()
  pool.drop()
  expect(await inWindow).toMatchObject({ kind: 'broken', phase: 'window', code: 'ECONNABORTED' })
  expect(await inEnvelope).toMatchObject({ kind: 'broken', phase: 'envelope', code: 'ECONNABORTED' })
  await expect.poll(() => relay.open).toBe(0)
  expect(pool.open).toBe(0)
})
