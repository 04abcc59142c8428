import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { type Line, openLine } from '../../scripts/chaos/line.js'
import { eventually } from '../helpers/eventually.js'
import { openScriptedRelay, type ScriptedRelay } from '../smtp/scripted-relay.js'

interface Client extends Disposable {
  readonly socket: Socket
  readonly heard: () => string
}

async function openClient(line: Line): Promise<Client> {
  const socket = connect(line.port, '127.0.0.1')
  let heard = ''
  socket.on('data', (chunk) => {
    heard += chunk.toString()
  })
  // The line breaks connections on purpose.
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return { socket, heard: () => heard, [Symbol.dispose]: () => void socket.destroy() }
}

const message = 'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nHello\r\n.\r\n'

async function relayHas(relay: ScriptedRelay): Promise<void> {
  await eventually('the relay has the body', () => relay.bodies.length === 1)
  expect(relay.bodies).toEqual(['Hello'])
}

test('what it is not told to harm passes in both directions', async () => {
  await using relay = await openScriptedRelay()
  await using line = await openLine(relay.port)
  using client = await openClient(line)
  client.socket.write(message)
  await eventually('the reply', () => client.heard().endsWith('250 taken\r\n'))
  await relayHas(relay)
})

test('cut at the dot the relay has the message, and the client hears no more', async () => {
  await using relay = await openScriptedRelay()
  await using line = await openLine(relay.port)
  line.atDot = () => 'cut'
  using client = await openClient(line)
  client.socket.write(message)
  await eventually('the cut', () => client.socket.closed)
  await relayHas(relay)
  expect(client.heard()).not.toContain('taken')
})

test('a dot in pieces is a dot, and its reply can be swallowed while the connection stays', async () => {
  await using relay = await openScriptedRelay()
  await using line = await openLine(relay.port)
  line.atDot = () => 'swallow'
  using client = await openClient(line)
  client.socket.setNoDelay(true)
  for (const letter of message) {
    client.socket.write(letter)
    await new Promise(setImmediate)
  }
  await relayHas(relay)
  expect(client.heard()).not.toContain('taken')
  expect(client.socket.closed).toBe(false)
})

test('in a stall nothing passes, and all of it does afterwards, even from a client that is gone', async () => {
  await using relay = await openScriptedRelay()
  await using line = await openLine(relay.port)
  using client = await openClient(line)
  await eventually('the greeting', () => client.heard() !== '')
  line.stalled = true
  client.socket.write(message)
  client.socket.end()
  using other = await openClient(line)
  expect(other.heard()).toBe('')
  expect(relay.bodies).toEqual([])
  line.stalled = false
  await relayHas(relay)
  await eventually('the other greeting', () => other.heard() === '220 ready\r\n')
})

test('while it refuses, new connections end at once, and those that are open can be cut', async () => {
  await using relay = await openScriptedRelay()
  await using line = await openLine(relay.port)
  using open = await openClient(line)
  line.refusing = true
  using refused = await openClient(line)
  await eventually('the refusal', () => refused.socket.closed)
  expect(open.socket.closed).toBe(false)
  line.cutAll()
  await eventually('the cut', () => open.socket.closed)
})
