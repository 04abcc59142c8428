import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { counter, openIngressFlow, tls } from './ingress-flow.js'
import { greeted, letter, Talk } from './talk.js'

function refusesConnections(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => settle(true))
    socket.once('connect', () => {
      socket.destroy()
      settle(false)
    })
  })
}

test('closing lets a message in progress end with its 250, and says goodbye to everybody else', async () => {
  await using open = await openIngressFlow()
  using busy = await greeted(open.port)
  using idle = await greeted(open.port)
  using between = await greeted(open.port)
  await between.ask('MAIL FROM:<a@x.io>')
  await busy.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  busy.write(letter)
  const closed = open.ingress.close({ deadlineMs: 20_000 })
  for (const talk of [idle, between]) {
    expect(await talk.reply()).toMatch(/^421 4\.3\.2 /)
    expect(await talk.rest()).toBe('')
  }
  expect(await refusesConnections(open.port)).toBe(true)
  busy.write('.\r\n')
  expect(await busy.reply()).toMatch(/^250 2\.0\.0/)
  expect(await busy.reply()).toMatch(/^421 4\.3\.2 /)
  await busy.rest()
  await closed
  expect((await open.flow.queue.status())[0]?.accepted).toBe(1)
})

test('past the deadline what is still open is dropped', async () => {
  await using open = await openIngressFlow()
  using busy = await greeted(open.port)
  await busy.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
  await open.ingress.close({ deadlineMs: 50 })
  expect(await busy.rest()).toBe('')
})

test('closing twice is closing once', async () => {
  await using open = await openIngressFlow()
  await Promise.all([open.ingress.close(), open.ingress.close()])
  await open.ingress.close()
})

test('closing in the middle of a handshake ends it, on both ports', async () => {
  for (let round = 0; round < 20; round += 1) {
    await using open = await openIngressFlow({ tls, securePort: 0 })
    const half = connect(open.ingress.securePort ?? 0, '127.0.0.1')
    half.on('error', () => undefined)
    await once(half, 'connect')
    half.write(Buffer.from([0x16, 0x03, 0x01]))
    using upgrading = await greeted(open.port)
    expect(await upgrading.ask('STARTTLS')).toMatch(/^220/)
    upgrading.write(Buffer.from([0x16, 0x03, 0x01]))
    await open.ingress.close({ deadlineMs: 1000 })
    await upgrading.rest()
    half.destroy()
  }
})

test('a handshake that is never finished is dropped, and nothing crashes', async () => {
  await using open = await openIngressFlow({ tls, idleTimeoutMs: 50, securePort: 0 })
  using upgrading = await greeted(open.port)
  await upgrading.ask('STARTTLS')
  await upgrading.rest()
  const half = connect(open.ingress.securePort ?? 0, '127.0.0.1')
  half.on('error', () => undefined)
  await eventually('it is dropped', () => half.closed)
  using talk = await Talk.openSecure(open.ingress.securePort)
  expect(await talk.reply()).toMatch(/^220/)
  await eventually('it is dropped as well', async () => (await talk.reply()).startsWith('421'))
})

test('a client that stops in its handshake and keeps its side open is gone all the same', async () => {
  await using open = await openIngressFlow({ tls, idleTimeoutMs: 100 })
  const socket = connect({ port: open.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  socket.write('EHLO client.example\r\nSTARTTLS\r\n')
  await once(socket, 'data')
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]))
  const connections = () => counter(open.metrics, 'fluxmail_ingress_connections_open')
  await eventually('it is gone', async () => (await connections()) === 0)
  socket.destroy()
})
