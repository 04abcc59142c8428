import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { eventually } from '../helpers/eventually.js'
import { cert, key } from '../sink/certificate.js'
import { counter, openIngressFlow } from './ingress-flow.js'
import { greeted, handIn, letter, Talk } from './talk.js'

const big = `From: a@x.io\r\nSubject: big\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(2000)}`

test('a message over the limit is read to its end, refused, and the connection goes on', async () => {
  await using open = await openIngressFlow({ maxMessageBytes: 100_000 })
  using talk = await greeted(open.port)
  expect(await handIn(talk, big)).toBe('552 5.3.4 The message is larger than 100000 octets')
  expect(await handIn(talk)).toMatch(/^250 /)
  expect(await open.counted('refused')).toBe(1)
  expect(await open.counted('accepted')).toBe(1)
})

test('a message of exactly the limit is taken', async () => {
  await using open = await openIngressFlow({ maxMessageBytes: letter.length })
  using talk = await greeted(open.port)
  expect(await handIn(talk)).toMatch(/^250 /)
  expect(await handIn(talk, `${letter}x\r\n`)).toMatch(/^552 /)
})

test('far over the limit nobody goes on reading', async () => {
  await using open = await openIngressFlow({ maxMessageBytes: 10_000 })
  using talk = await greeted(open.port)
  await talk.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  talk.write(big)
  expect(await talk.reply()).toMatch(/^552 5\.3\.4 /)
  await talk.rest()
})

test('messages at once take no more memory than allowed, and later there is room again', async () => {
  await using open = await openIngressFlow({ maxReceivingBytes: 220_000, maxMessageBytes: 150_000 })
  using first = await greeted(open.port)
  using second = await greeted(open.port)
  await first.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  first.write(big)
  await eventually('the first one is in', async () => {
    const reply = await second.ask('MAIL FROM:<a@x.io> SIZE=100000')
    await second.ask('RSET')
    return reply.startsWith('452 4.3.1 ')
  })
  expect(await handIn(second, big)).toBe('452 4.3.1 Too much mail is coming in at once; try again later')
  expect(await handIn(second)).toMatch(/^250 /)
  first.write('.\r\n')
  expect(await first.reply()).toMatch(/^250 /)
  expect(await handIn(second, big)).toMatch(/^250 /)
})

test('a client that leaves in the middle of a message gives its memory back', async () => {
  await using open = await openIngressFlow({ maxReceivingBytes: 220_000, maxMessageBytes: 150_000 })
  using first = await greeted(open.port)
  using second = await greeted(open.port)
  await first.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  first.write(big)
  first[Symbol.dispose]()
  await eventually('it is counted', async () => (await open.counted('aborted')) === 1)
  expect(await handIn(second, big)).toMatch(/^250 /)
  expect(open.lines.filter(({ result }) => result === 'accepted')).toHaveLength(1)
})

test('more connections than allowed are told to come again, until one has left', async () => {
  await using open = await openIngressFlow({ maxConnections: 2 })
  const first = await greeted(open.port)
  using _second = await greeted(open.port)
  using third = await Talk.open(open.port)
  expect(await third.reply()).toBe('421 4.7.0 Too many connections; try again later')
  await third.rest()
  expect(await counter(open.metrics, 'fluxmail_ingress_connections_open')).toBe(2)
  expect(await counter(open.metrics, 'fluxmail_ingress_connections_refused_total{reason="limit"}')).toBe(1)
  first[Symbol.dispose]()
  const room = async () => (await counter(open.metrics, 'fluxmail_ingress_connections_open')) === 1
  await eventually('there is room', room)
  using fourth = await greeted(open.port)
  expect(await fourth.ask('NOOP')).toMatch(/^250/)
})

test('a silent client is dropped', async () => {
  await using open = await openIngressFlow({ idleTimeoutMs: 100 })
  using talk = await greeted(open.port)
  expect(await talk.reply()).toMatch(/^421 4\.4\.2 /)
  await talk.rest()
})

test('a client that takes too long over one message is dropped, however steadily it sends', async () => {
  await using open = await openIngressFlow({ messageTimeoutMs: 200 })
  using talk = await greeted(open.port)
  await talk.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  const drip = setInterval(() => talk.write('x'), 20)
  try {
    expect(await talk.reply()).toMatch(/^421 4\.4\.2 The message took too long/)
  } finally {
    clearInterval(drip)
  }
  await eventually('it is counted', async () => (await open.counted('aborted')) === 1)
})

test('mail that goes in circles is refused', async () => {
  await using open = await openIngressFlow()
  using talk = await greeted(open.port)
  const trace = 'Received: from a by b;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n'
  expect(await handIn(talk, trace.repeat(99) + letter)).toMatch(/^250 /)
  expect(await handIn(talk, trace.repeat(100) + letter)).toMatch(/^554 5\.4\.6 /)
})

test('ten unknown commands end the connection', async () => {
  await using open = await openIngressFlow()
  using talk = await greeted(open.port)
  let reply = ''
  for (let n = 0; n < 10; n += 1) reply = await talk.ask('FOO')
  expect(reply).toMatch(/^421 /)
})

test('a hundred refused addresses end the connection', async () => {
  await using open = await openIngressFlow()
  using talk = await greeted(open.port)
  let reply = ''
  for (let n = 0; n < 100; n += 1) reply = await talk.ask('MAIL FROM:<x>')
  expect(reply).toBe('421 4.7.0 Too many refused commands')
  await talk.rest()
})

test('a handshake that does not end is ended, however steadily its bytes come', async () => {
  const clock = { ...systemClock, after: (ms: number, work: () => void) => systemClock.after(ms / 100, work) }
  await using open = await openIngressFlow({ clock, port: false, securePort: 0, tls: { key, cert } })
  const socket = connect(open.ingress.securePort ?? 0, '127.0.0.1')
  const drip = setInterval(() => socket.write('\x16'), 50)
  socket.on('error', () => undefined)
  try {
    await once(socket, 'close')
  } finally {
    clearInterval(drip)
  }
})

test('a message of tiny pieces takes no more room than it has bytes', async () => {
  await using open = await openIngressFlow({ maxReceivingBytes: 1_000_000, maxMessageBytes: 900_000 })
  using talk = await greeted(open.port)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }, 5)
  // The first dot of each line is an escape, so that each line comes as a piece of its own.
  const dots = `From: a@x.io\r\n\r\n${'..\r\n'.repeat(100_000)}`
  expect(await handIn(talk, dots)).toMatch(/^250 /)
  clearInterval(watch)
  expect(most).toBeLessThan(20_000_000)
}, 60_000)

test('log lines carry ids and counts, and addresses only where asked for', async () => {
  for (const logAddresses of [false, true]) {
    await using open = await openIngressFlow({ logAddresses })
    using talk = await greeted(open.port)
    await handIn(talk, letter, 'topsecret@example.org')
    await handIn(talk, 'bad\nx\r\n')
    const lines = open.lines.filter(({ message }) => message === 'submission')
    expect(lines).toMatchObject([
      { result: 'accepted', recipients: 1, bytes: letter.length, lane: 'transactional', deliveries: 1 },
      { result: 'refused', code: 554 },
    ])
    const text = JSON.stringify(open.lines)
    expect(text).not.toMatch(/topsecret|Hello|Hi Bob/)
    expect(text.includes('ann@example.com')).toBe(logAddresses)
  }
})
