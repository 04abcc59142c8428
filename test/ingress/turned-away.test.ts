import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { eventually } from '../helpers/eventually.js'
import { counter, type IngressFlow, openIngressFlow, password, tls, user } from './ingress-flow.js'
import { greeted, plain, Talk } from './talk.js'

let now = 0
let open: IngressFlow
beforeAll(async () => {
  const clock = { ...systemClock, monotonicMs: () => now }
  open = await openIngressFlow({ tls, users: [user], securePort: 0, clock })
})
afterAll(() => open[Symbol.asyncDispose]())
beforeEach(() => {
  now += 10_000
  open.lines.length = 0
})

const counted = (reason: string) =>
  counter(open.metrics, `fluxmail_ingress_connections_refused_total{reason="${reason}"}`)
const told = (reason: string) => open.lines.filter((line) => line.level === 'info' && line.reason === reason)

test('mail without STARTTLS is logged and counted, once for a connection', async () => {
  const before = await counted('no_tls')
  using talk = await greeted(open.port)
  await talk.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  expect(told('no_tls')).toMatchObject([{ remote: '127.0.0.1', count: 1 }])
  expect(await counted('no_tls')).toBe(before + 1)
})

test('so is a login in the clear, whose name and password are not', async () => {
  using talk = await greeted(open.port)
  expect(await talk.ask(plain('shop', password))).toMatch(/^538 /)
  expect(told('no_tls')).toHaveLength(1)
  expect(JSON.stringify(open.lines)).not.toMatch(/shop|horse/)
})

test('mail over TLS without a login is logged and counted', async () => {
  const before = await counted('no_login')
  using talk = await Talk.openSecure(open.ingress.securePort)
  await talk.reply()
  expect(await talk.asks('EHLO client.example', 'MAIL FROM:<a@x.io>')).toMatch(/^530 /)
  expect(told('no_login')).toMatchObject([{ remote: '127.0.0.1' }])
  expect(await counted('no_login')).toBe(before + 1)
})

test('a flood is one line a second, with how many there were, and all are counted', async () => {
  const before = await counted('no_tls')
  const refuse = async () => {
    using talk = await greeted(open.port)
    await talk.ask('MAIL FROM:<a@x.io>')
  }
  for (let n = 0; n < 20; n += 1) await refuse()
  expect(told('no_tls')).toHaveLength(1)
  now += 1000
  await refuse()
  expect(told('no_tls').map(({ count }) => count)).toEqual([1, 20])
  expect(await counted('no_tls')).toBe(before + 21)
})

test('a client that leaves right after the handshake is logged, on both ports', async () => {
  for (const implicit of [true, false]) {
    now += 10_000
    open.lines.length = 0
    const before = await counted('handshake')
    if (implicit) {
      const socket = connectTls({ port: open.ingress.securePort ?? 0, host: '127.0.0.1' })
      await once(socket, 'error')
    } else {
      const talk = await greeted(open.port)
      await talk.startTls()
      talk[Symbol.dispose]()
    }
    await eventually('it is told', () => told('handshake').length === 1)
    expect(told('handshake')).toMatchObject([{ remote: '127.0.0.1' }])
    expect(await counted('handshake')).toBe(before + 1)
  }
})

test('a handshake that is no TLS is logged with what was wrong, on both ports', async () => {
  using secure = await Talk.open(open.ingress.securePort)
  secure.write('EHLO client.example\r\n')
  await secure.rest()
  await eventually('it is told', () => told('handshake').length === 1)
  now += 10_000
  using upgrading = await greeted(open.port)
  expect(await upgrading.ask('STARTTLS')).toMatch(/^220/)
  upgrading.write('MAIL FROM:<a@x.io>\r\n')
  await upgrading.rest()
  await eventually('it is told', () => told('handshake').length === 2)
  for (const line of told('handshake'))
    expect(line).toMatchObject({ remote: '127.0.0.1', error: expect.stringMatching(/./) })
})

test('a client that says goodbye, or does its work, is none of them', async () => {
  const before = await counted('handshake')
  const talk = await Talk.openSecure(open.ingress.securePort)
  await talk.reply()
  await talk.ask('QUIT')
  await talk.rest()
  const other = await greeted(open.port)
  await other.startTls()
  await other.asks('EHLO client.example', plain('shop', password))
  other[Symbol.dispose]()
  const connections = () => counter(open.metrics, 'fluxmail_ingress_connections_open')
  await eventually('they are gone', async () => (await connections()) === 0)
  expect(told('handshake')).toEqual([])
  expect(await counted('handshake')).toBe(before)
})
