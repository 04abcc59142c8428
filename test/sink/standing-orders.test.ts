import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { holdBack } from '../../src/sink/hold-back.js'
import { bySecond, openSink } from '../../src/sink/sink.js'
import { Arrivals, orderFaults } from '../../src/sink/standing-orders.js'
import { letter, openClient, RawClient, sendOne } from './clients.js'

test('answerMs holds back every answer, and those to pipelined commands together', async () => {
  await using sink = await openSink({ httpPort: false, answerMs: 100 })
  using client = await RawClient.open(sink.smtpPort)
  const startedAt = performance.now()
  await client.ask('EHLO client.example')
  client.write('MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n')
  for (const code of [/^250 /, /^250 /, /^354 /]) expect(await client.reply()).toMatch(code)
  expect(await client.ask(`${letter}.`)).toMatch(/^250 /)
  const tookMs = performance.now() - startedAt
  expect(tookMs).toBeGreaterThan(295)
  expect(tookMs).toBeLessThan(490)
})

test('a delay that is shortened lets nothing overtake what came before', () => {
  const passed: string[] = []
  const timers: { readonly at: number; readonly run: () => void }[] = []
  const clock = {
    ...systemClock,
    after: (at: number, run: () => void) => {
      timers.push({ at, run })
      return () => undefined
    },
  }
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => done(void passed.push(chunk)),
  })
  let ms = 50
  const held = holdBack(
    stream,
    () => ms,
    () => clock,
  )
  held.write('first')
  ms = 0
  held.write('second')
  expect(passed).toEqual([])
  for (const { run } of timers.sort((one, other) => one.at - other.at)) run()
  expect(passed).toEqual(['first', 'second'])
  held.write('third')
  expect(passed).toEqual(['first', 'second', 'third'])
})

test('a real client sends to a sink that answers late', async () => {
  await using sink = await openSink({ httpPort: false, answerMs: 20 })
  await sendOne(sink.smtpPort, 'ann@example.com')
  using client = await openClient(sink.smtpPort)
  await client.send('bob@example.com')
  expect(sink.messages.map(({ to }) => to)).toEqual([['ann@example.com'], ['bob@example.com']])
})

test('above the rate MAIL FROM is asked to be slower, until a second has passed', () => {
  const arrivals = new Arrivals()
  const order = { above: 2 }
  expect([0, 10, 20, 999, 1_000, 1_009, 1_010].map((now) => arrivals.take(now, order))).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
    true,
  ])
  expect(arrivals.slowed).toEqual([20, 999, 1_009])
})

test('what slows is ordered, changed and taken back while the sink runs', async () => {
  await using sink = await openSink({ httpPort: false, slower: { above: 1 } })
  using client = await RawClient.open(sink.smtpPort)
  await client.ask('EHLO client.example')
  const offer = async () => {
    const reply = await client.ask('MAIL FROM:<a@b.example>')
    await client.ask('RSET')
    return reply
  }
  expect(await offer()).toMatch(/^250 /)
  expect(await offer()).toBe('451 4.7.1 Too many messages, slow down')
  sink.order({ slower: { above: 1, reply: '450 4.7.0 [TSS04] Messages deferred' } })
  expect(await offer()).toBe('450 4.7.0 [TSS04] Messages deferred')
  sink.order({ slower: undefined })
  expect(await offer()).toMatch(/^250 /)
  expect(sink.arrivals.offered).toHaveLength(4)
  expect(sink.arrivals.slowed).toHaveLength(2)
  await sink.clear()
  expect(sink.arrivals.offered).toEqual([])
})

test('a recipient can be the one that is refused, and what was ordered before stays', async () => {
  await using sink = await openSink({ httpPort: false, latencyMs: 30 })
  sink.order({ slower: { above: 1, at: 'rcpt' } })
  using client = await openClient(sink.smtpPort)
  const startedAt = performance.now()
  const { accepted, rejectedErrors } = await client.send(['ann@example.com', 'bob@example.com'])
  expect(performance.now() - startedAt).toBeGreaterThan(29)
  expect(accepted).toEqual(['ann@example.com'])
  expect(rejectedErrors.map(({ responseCode }) => responseCode)).toEqual([451])
})

test('421 closes the connection as well', async () => {
  await using sink = await openSink({
    httpPort: false,
    slower: { above: 0, reply: '421 4.7.28 Unusual rate of mail' },
  })
  using client = await RawClient.open(sink.smtpPort)
  await client.ask('EHLO client.example')
  client.write('MAIL FROM:<a@b.example>\r\n')
  expect(await client.rest()).toMatch(/^421 4\.7\.28 /)
})

test('an order that cannot be followed is refused, also while the sink runs', async () => {
  expect(orderFaults({ answerMs: -1, slower: { above: 1.5, reply: '250 2.0.0 Fine' } })).toHaveLength(3)
  await using sink = await openSink({ httpPort: false })
  expect(() => sink.order({ slower: { above: 5, reply: '451' } })).toThrow(/slower\.reply/)
  await expect(openSink({ answerMs: 0.5 })).rejects.toMatchObject({ code: 'invalid_config' })
})

test('times are counted by the second from the first one on', () => {
  expect(bySecond([])).toEqual([])
  expect(bySecond([500, 600, 1_499, 1_500, 3_600])).toEqual([3, 1, 0, 1])
})
