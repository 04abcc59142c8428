import { createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { parseConfig, type RelayConfig, type RelayOptions, relaySchema } from '../../src/config.js'
import type { Exchange } from '../../src/delivery/delivery.js'
import { openSink, type Sink, type SinkOptions } from '../../src/sink/sink.js'
import { createPool, type Pool } from '../../src/smtp/pool.js'
import type { MarkAnswer } from '../../src/store/ledger.js'

const body = Buffer.from('Subject: hello\r\n\r\n.dot\r\nbody\r\n')
const closers: (() => unknown)[] = []
let opened = 0

beforeEach(() => {
  opened = 0
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function sinkAnd(
  options: Partial<RelayOptions> = {},
  sinkOptions: SinkOptions = {},
): Promise<{ sink: Sink; pool: Pool }> {
  const sink = await openSink({ httpPort: false, ...sinkOptions })
  closers.push(() => sink.close())
  return { sink, pool: poolTo(sink.smtpPort, options) }
}

function poolTo(port: number, options: Partial<RelayOptions> = {}): Pool {
  const relay: RelayConfig = parseConfig(relaySchema, { host: '127.0.0.1', port, ...options }, 'the relay')
  const pool = createPool('main', relay, systemClock, {
    opened: () => (opened += 1),
    closed: () => undefined,
    failed: () => undefined,
  })
  closers.push(() => pool.close())
  return pool
}

interface Sending {
  bytes?: Buffer
  beforeBody?: () => Promise<MarkAnswer>
  signal?: AbortSignal
}

async function send(pool: Pool, to: string, sending: Sending = {}): Promise<Exchange> {
  const {
    bytes = body,
    beforeBody = async () => 'ok' as const,
    signal = new AbortController().signal,
  } = sending
  const acquired = await pool.acquire(signal)
  if ('refusal' in acquired) return acquired.refusal
  return acquired.lease.transmit({ from: 'from@example.com', to, bytes, beforeBody, signal })
}

test('a message arrives byte for byte, with its envelope', async () => {
  const { sink, pool } = await sinkAnd()
  const exchange = await send(pool, 'Ada@example.com')
  expect(exchange).toMatchObject({ kind: 'accepted', response: expect.stringMatching(/^250/) })
  expect(sink.messages[0]).toMatchObject({ from: 'from@example.com', to: ['Ada@example.com'] })
  expect(sink.messages[0]?.bytes.toString()).toBe(body.toString())
})

test('a body over 64 kB arrives whole', async () => {
  const { sink, pool } = await sinkAnd()
  const bytes = Buffer.from(`Subject: big\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(30_000)}`)
  expect((await send(pool, 'big@example.com', { bytes })).kind).toBe('accepted')
  expect(sink.messages[0]?.bytes.equals(bytes)).toBe(true)
})

test('connections are kept and handed from message to message', async () => {
  const { sink, pool } = await sinkAnd({ maxConnections: 2 })
  await Promise.all(Array.from({ length: 40 }, (_, index) => send(pool, `r${index}@example.com`)))
  expect(sink.messages).toHaveLength(40)
  expect(opened).toBe(2)
  expect(sink.connections).toBe(2)
})

test('a connection is replaced after the messages that it may carry', async () => {
  const { sink, pool } = await sinkAnd({ maxConnections: 1, maxMessagesPerConnection: 3 })
  for (let index = 0; index < 7; index += 1) await send(pool, `r${index}@example.com`)
  expect(sink.messages).toHaveLength(7)
  expect(opened).toBe(3)
})

test('a refused recipient leaves the connection fit for the next message', async () => {
  const { sink, pool } = await sinkAnd({ maxConnections: 1 })
  const refused = await send(pool, 'reject-1@example.com')
  expect(refused).toMatchObject({
    kind: 'refused',
    stage: 'rcpt',
    response: expect.stringMatching(/^550 5\.1\.1/),
  })
  expect((await send(pool, 'next@example.com')).kind).toBe('accepted')
  expect(sink.connections).toBe(1)
})

test('a connection that the relay closed between two messages costs nothing', async () => {
  const { sink, pool } = await sinkAnd({ maxConnections: 1 }, { maxMessagesPerConnection: 2 })
  for (let index = 0; index < 6; index += 1) {
    expect((await send(pool, `r${index}@example.com`)).kind).toBe('accepted')
  }
  expect([...sink.copies().values()]).toEqual([1, 1, 1, 1, 1, 1])
  expect(opened).toBe(3)
})

test('a connection cut in place of the 354 is broken before the window', async () => {
  const { pool } = await sinkAnd()
  expect(await send(pool, 'cut-1@example.com')).toMatchObject({ kind: 'broken', phase: 'envelope' })
})

test('a connection lost after the final dot is broken inside the window', async () => {
  const { sink, pool } = await sinkAnd()
  expect(await send(pool, 'lost-1@example.com')).toMatchObject({ kind: 'broken', phase: 'window' })
  expect(sink.messages).toHaveLength(1)
})

test('a lost connection is not tried again, although it was a kept one', async () => {
  const { sink, pool } = await sinkAnd({ maxConnections: 1 })
  await send(pool, 'first@example.com')
  await send(pool, 'lost-1@example.com')
  expect(sink.copies().get('lost-1@example.com')).toBe(1)
})

test('a 421 that closes the connection keeps its reply', async () => {
  const { pool } = await sinkAnd()
  expect(await send(pool, 'busy-1@example.com')).toMatchObject({
    kind: 'broken',
    phase: 'envelope',
    response: expect.stringMatching(/^421/),
  })
})

test('an attempt that may not go on sends no byte of the body', async () => {
  const { sink, pool } = await sinkAnd({ maxConnections: 1 })
  const stopped = await send(pool, 'a@example.com', { beforeBody: async () => 'superseded' })
  expect(stopped).toEqual({ kind: 'stopped', answer: 'superseded' })
  expect((await send(pool, 'b@example.com')).kind).toBe('accepted')
  expect(sink.messages.map((message) => message.to)).toEqual([['b@example.com']])
})

test('leave is asked only once the recipient was accepted', async () => {
  const { pool } = await sinkAnd()
  let asked = 0
  const beforeBody = async (): Promise<MarkAnswer> => {
    asked += 1
    return 'ok'
  }
  await send(pool, 'reject-1@example.com', { beforeBody })
  expect(asked).toBe(0)
  await send(pool, 'a@example.com', { beforeBody })
  expect(asked).toBe(1)
})

test('a relay that cannot be reached says so at once, and is tried again for the next message', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  const pool = poolTo(typeof address === 'object' && address ? address.port : 0)
  const refused = { kind: 'broken', phase: 'connect', code: 'ECONNREFUSED' }
  expect(await send(pool, 'a@example.com')).toMatchObject(refused)
  expect(await send(pool, 'b@example.com')).toMatchObject(refused)
})

test('a greeting that never comes ends in time', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  const pool = poolTo(typeof address === 'object' && address ? address.port : 0, { timeoutMs: 50 })
  expect(await send(pool, 'a@example.com')).toMatchObject({
    kind: 'broken',
    phase: 'connect',
    code: 'ETIMEDOUT',
  })
})

test('a wrong password is a fault of the connection, with the reply of the relay', async () => {
  const { pool } = await sinkAnd(
    { username: 'ada', password: 'wrong' },
    { auth: { username: 'ada', password: 'right' } },
  )
  const exchange = await send(pool, 'a@example.com')
  expect(exchange).toMatchObject({
    kind: 'broken',
    phase: 'connect',
    response: expect.stringMatching(/^535/),
  })
})

test('an international local part is refused in words where the relay has no SMTPUTF8', async () => {
  const { sink, pool } = await sinkAnd({}, { smtpUtf8: false })
  const exchange = await send(pool, 'grå@example.com')
  expect(exchange).toMatchObject({
    kind: 'refused',
    stage: 'rcpt',
    response: expect.stringContaining('SMTPUTF8'),
  })
  expect(sink.messages).toHaveLength(0)
})

test('an international local part goes out where the relay has SMTPUTF8', async () => {
  const { sink, pool } = await sinkAnd()
  expect((await send(pool, 'grå@example.com')).kind).toBe('accepted')
  expect(sink.messages[0]?.to).toEqual(['grå@example.com'])
})

test('who waits for a connection is let go when told to stop', async () => {
  const { pool } = await sinkAnd({ maxConnections: 1 })
  const abort = new AbortController()
  const busy = send(pool, 'slow-1-x@example.com')
  const waiting = send(pool, 'a@example.com', { signal: abort.signal })
  abort.abort()
  expect(await waiting).toEqual({ kind: 'stopped', answer: 'closing' })
  expect((await busy).kind).toBe('accepted')
})

test('an idle connection is closed after its time', async () => {
  const { pool } = await sinkAnd({ idleMs: 30 })
  await send(pool, 'a@example.com')
  expect(pool.open).toBe(1)
  await expect.poll(() => pool.open).toBe(0)
})
