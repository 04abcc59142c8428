import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Connection } from '../../src/smtp/connection.js'
import { exchangeOn } from '../../src/smtp/exchange.js'
import { openWire, type Wire } from '../../src/smtp/wire.js'
import { eventually } from '../helpers/eventually.js'
import { openScriptedRelay, type Script, type ScriptedRelay, type Session } from './scripted-relay.js'
import { gate, messageTo, relayTo, type Sending } from './sending.js'

interface Line extends AsyncDisposable {
  readonly relay: ScriptedRelay
  readonly wire: Wire
}

async function connectTo(script: Script): Promise<Line> {
  const relay = await openScriptedRelay(script)
  const opened = await openWire(relayTo(relay.port, { timeoutMs: 5_000 }))
  if ('failure' in opened) throw new Error(opened.failure.message)
  const dispose = async () => {
    opened.wire.drop()
    await relay[Symbol.asyncDispose]()
  }
  return { relay, wire: opened.wire, [Symbol.asyncDispose]: dispose }
}

async function exchange({ wire }: Line, sending: Sending = {}) {
  return (await wire.send(messageTo('a@example.com', sending))).exchange
}

const tooEarly = { kind: 'broken', phase: 'envelope', code: 'EPROTOCOL' }

for (const capabilities of [[], ['PIPELINING']]) {
  const how = capabilities[0] ?? 'no pipelining'

  test(`a 250 that comes along with the 354 does not accept the message (${how})`, async () => {
    await using line = await connectTo({
      capabilities,
      answer: (command) => (command === 'DATA' ? '354 go on\r\n250 taken' : undefined),
    })
    expect(await exchange(line)).toMatchObject(tooEarly)
    expect(line.wire.alive).toBe(false)
  })

  test(`a 421 to RCPT keeps its reply and is about more than this message (${how})`, async () => {
    await using line = await connectTo({
      capabilities,
      answer: (command) => (command.startsWith('RCPT') ? '421 4.3.2 going down' : undefined),
    })
    expect(await exchange(line)).toMatchObject({ response: '421 4.3.2 going down' })
    expect(line.wire.alive).toBe(false)
  })
}

test('half a reply along with the 354 does not go for the reply to the message', async () => {
  await using line = await connectTo({
    answer: (command, { socket }) => {
      if (command !== 'DATA') return undefined
      socket.write('354 go on\r\n250 ta')
      return ''
    },
  })
  expect(await exchange(line)).toMatchObject(tooEarly)
})

test('a 250 while leave is being asked does not accept the message', async () => {
  const sessions: Session[] = []
  await using line = await connectTo({
    greet: (session) => {
      sessions.push(session)
      return '220 ready'
    },
  })
  const beforeBody = () => {
    sessions[0]?.say('250 taken')
    return new Promise<never>(() => undefined)
  }
  expect(await exchange(line, { beforeBody })).toMatchObject(tooEarly)
  expect(line.wire.alive).toBe(false)
})

test('a 250 in the middle of a large body does not accept the message', async () => {
  await using line = await connectTo({
    answer: (command, { socket, say }) => {
      if (command === 'DATA') {
        socket.once('data', () => {
          socket.pause()
          say('250 taken')
        })
      }
      return undefined
    },
  })
  const bytes = Buffer.alloc(40_000_000, `${'x'.repeat(70)}\r\n`)
  expect(await exchange(line, { bytes })).toMatchObject(tooEarly)
  expect(line.wire.alive).toBe(false)
})

test('a 552 in the middle of a large body refuses the message', async () => {
  await using line = await connectTo({
    answer: (command, { socket, say }) => {
      if (command === 'DATA') {
        socket.once('data', () => {
          socket.pause()
          say('552 5.3.4 too much')
        })
      }
      return undefined
    },
  })
  const bytes = Buffer.alloc(40_000_000, `${'x'.repeat(70)}\r\n`)
  expect(await exchange(line, { bytes })).toEqual({
    kind: 'refused',
    stage: 'data',
    response: '552 5.3.4 too much',
  })
  expect(line.wire.alive).toBe(false)
})

for (const answer of ['354 go on', 'what?', '2banana', '199 wait', '600 more']) {
  test(`"${answer}" in answer to the final dot leaves open whether the message was taken`, async () => {
    await using line = await connectTo({ answerBody: () => answer })
    const broken = await exchange(line)
    expect(broken).toMatchObject({ kind: 'broken', phase: 'window', code: 'EPROTOCOL' })
    expect(broken).not.toHaveProperty('response')
    expect(line.wire.alive).toBe(false)
    await expect.poll(() => line.relay.open).toBe(0)
  })
}

for (const answer of ['451 4.3.0 later', '554 5.7.1 never']) {
  test(`"${answer}" in answer to the final dot refuses the message and keeps the connection`, async () => {
    await using line = await connectTo({ answerBody: () => answer })
    expect(await exchange(line)).toEqual({ kind: 'refused', stage: 'body', response: answer })
    expect(line.wire.alive).toBe(true)
  })
}

test('a 421 in answer to the final dot refuses the message and ends the connection', async () => {
  await using line = await connectTo({ answerBody: () => '421 4.3.2 going down' })
  expect(await exchange(line)).toMatchObject({ kind: 'refused', stage: 'body' })
  expect(line.wire.alive).toBe(false)
})

test('an answer to MAIL FROM that is no SMTP breaks the exchange and refuses nothing', async () => {
  await using line = await connectTo({
    answer: (command) => (command.startsWith('MAIL') ? '354 go on' : undefined),
  })
  expect(await exchange(line)).toMatchObject(tooEarly)
  expect(line.wire.alive).toBe(false)
})

test('a connection that is dropped before the body is broken in the envelope', async () => {
  const heard = gate()
  await using line = await connectTo({
    answer: (command) => {
      if (!command.startsWith('RCPT')) return undefined
      heard.open()
      return ''
    },
  })
  const sending = exchange(line)
  await heard.passed
  line.wire.drop()
  expect(await sending).toMatchObject({ kind: 'broken', phase: 'envelope', code: 'ECONNABORTED' })
  await expect.poll(() => line.relay.open).toBe(0)
  expect(line.relay.bodies).toEqual([])
})

test('a connection that is dropped after the final dot is broken in the window', async () => {
  await using line = await connectTo({ answerBody: () => '' })
  const sending = exchange(line)
  await expect.poll(() => line.relay.bodies.length).toBe(1)
  line.wire.drop()
  expect(await sending).toMatchObject({ kind: 'broken', phase: 'window', code: 'ECONNABORTED' })
})

test('a drop while leave is asked sends nothing, also when leave is given afterwards', async () => {
  await using line = await connectTo({})
  const asked = gate()
  const leave = gate<'ok'>()
  const beforeBody = () => {
    asked.open()
    return leave.passed
  }
  const sending = exchange(line, { beforeBody })
  await asked.passed
  line.wire.drop()
  expect(await sending).toMatchObject({ kind: 'broken', phase: 'envelope' })
  leave.open('ok')
  await expect.poll(() => line.relay.open).toBe(0)
  expect(line.relay.bodies).toEqual([])
})

test('leave is asked for the end of a large body once all before it has left this process', async () => {
  await using relay = await openScriptedRelay({
    answer: (command) => {
      // From now on the system takes nothing, as when a relay does not read.
      if (command === 'DATA' && connection._socket) connection._socket.cork()
      return undefined
    },
  })
  const config = relayTo(relay.port, { timeoutMs: 5_000 })
  const connection = new Connection(config)
  await new Promise<void>((resolve) => connection.connect(() => resolve()))
  const socket = connection._socket
  if (!socket) throw new Error('there is no connection')
  const left: number[] = []
  const beforeBody = async () => {
    left.push(socket.writableLength)
    return 'ok' as const
  }
  const bytes = Buffer.alloc(70_000, 'a line of some words\r\n')
  const answer = exchangeOn(connection, config, messageTo('a@example.com', { bytes, beforeBody }))
  await eventually('the body waits', () => socket.writableLength > 60_000)
  socket.uncork()
  expect((await answer).kind).toBe('accepted')
  expect(left).toEqual([0])
  connection.close()
})

test('a relay that is gone while leave is asked has nothing of the message', async () => {
  const sessions: Session[] = []
  await using line = await connectTo({
    greet: (session) => {
      sessions.push(session)
      return '220 ready'
    },
  })
  const beforeBody = async () => {
    sessions[0]?.hangUp()
    await eventually('the end is noticed', () => !line.wire.alive)
    return 'ok' as const
  }
  expect(await exchange(line, { beforeBody })).toMatchObject({ kind: 'broken', phase: 'envelope' })
  expect(line.relay.bodies).toEqual([])
})

/** What is handed to the system, write by write. */
function writesOf(socket: Socket): string[] {
  const writes: string[] = []
  const { _write, _writev } = socket
  socket._write = (chunk, ...rest) => {
    writes.push(String(chunk))
    _write.call(socket, chunk, ...rest)
  }
  socket._writev = (chunks, done) => {
    writes.push(chunks.map(({ chunk }) => String(chunk)).join(''))
    _writev?.call(socket, chunks, done)
  }
  return writes
}

for (const [what, size, most] of [
  ['the whole of a body up to 64 kB', 60_000, 60_100],
  ['no more than the end of a larger one', 200_000, 1_100],
] as const) {
  test(`the write that opens the window holds the final dot, and ${what}`, async () => {
    await using relay = await openScriptedRelay({ capabilities: ['PIPELINING'] })
    const config = relayTo(relay.port, { timeoutMs: 5_000 })
    const connection = new Connection(config)
    await new Promise<void>((resolve) => connection.connect(() => resolve()))
    if (!connection._socket) throw new Error('there is no connection')
    const writes = writesOf(connection._socket)
    let before = -1
    const beforeBody = async () => {
      before = writes.length
      return 'ok' as const
    }
    const shared = Buffer.alloc(size, 'a line of some words\r\n')
    const bytes = [Buffer.from('Subject: x\r\n\r\n'), shared, Buffer.from('\r\n.a line with a dot')]
    const exchanged = await exchangeOn(connection, config, {
      ...messageTo('a@example.com'),
      bytes,
      beforeBody,
    })
    expect(exchanged.kind).toBe('accepted')
    expect(writes[0]).toMatch(/^MAIL FROM.*\r\nRCPT TO.*\r\nDATA\r\n$/)
    expect(writes.length).toBe(before + 1)
    expect(writes.at(-1)).toMatch(/\r\n\.\.a line with a dot\r\n\.\r\n$/)
    expect(writes.at(-1)?.length).toBeLessThan(most)
    const sent = writes.slice(1).join('').replaceAll('\r\n..', '\r\n.')
    expect(sent).toBe(`${Buffer.concat(bytes)}\r\n.\r\n`)
    connection.close()
  })
}
