import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RelayOptions } from '../../src/config.js'
import type { Transmission } from '../../src/delivery/delivery.js'
import { judgeExchange } from '../../src/delivery/judge.js'
import { openWire, type Wire } from '../../src/smtp/wire.js'
import { createSigningKey, isValid } from './dkim-verifiers.js'
import { openScriptedRelay, type ScriptedRelay } from './scripted-relay.js'
import { countedPool, messageTo, relayTo, sendOver } from './sending.js'

const signing = createSigningKey('ed25519')

interface Line extends AsyncDisposable {
  readonly relay: ScriptedRelay
  readonly wire: Wire
}

async function connectTo(capabilities: readonly string[]): Promise<Line> {
  const relay = await openScriptedRelay({ capabilities })
  const opened = await openWire(relayTo(relay.port))
  if ('failure' in opened) throw new Error(opened.failure.message)
  const dispose = async () => {
    opened.wire.drop()
    await relay[Symbol.asyncDispose]()
  }
  return { relay, wire: opened.wire, [Symbol.asyncDispose]: dispose }
}

async function sendOn({ wire }: Line, flags: Partial<Transmission> = {}) {
  return (await wire.send({ ...messageTo('a@example.com'), ...flags })).exchange
}

function mailFrom({ relay }: Line): string[] {
  return relay.commands.filter((command) => command.startsWith('MAIL'))
}

for (const pipelining of [[], ['PIPELINING']]) {
  describe(pipelining[0] ?? 'no pipelining', () => {
    test.each([
      [{}, 'MAIL FROM:<from@example.com>'],
      [{ eightBit: true }, 'MAIL FROM:<from@example.com> BODY=8BITMIME'],
      [{ smtpUtf8: true }, 'MAIL FROM:<from@example.com> SMTPUTF8'],
      [{ eightBit: true, smtpUtf8: true }, 'MAIL FROM:<from@example.com> SMTPUTF8 BODY=8BITMIME'],
      [{ from: 'ärger@example.com', smtpUtf8: true }, 'MAIL FROM:<Ã¤rger@example.com> SMTPUTF8'],
      [{ from: 'ärger@example.com' }, 'MAIL FROM:<Ã¤rger@example.com> SMTPUTF8'],
      [{ from: '' }, 'MAIL FROM:<>'],
      [{ from: '', smtpUtf8: true, eightBit: true }, 'MAIL FROM:<> SMTPUTF8 BODY=8BITMIME'],
    ])('%j is announced as %s', async (flags, expected) => {
      await using line = await connectTo(['8BITMIME', 'SMTPUTF8', ...pipelining])
      expect(await sendOn(line, flags)).toMatchObject({ kind: 'accepted' })
      expect(mailFrom(line)).toEqual([expected])
    })

    test('what one message needs is not said of the next one', async () => {
      await using line = await connectTo(['8BITMIME', 'SMTPUTF8', ...pipelining])
      await sendOn(line, { smtpUtf8: true, eightBit: true })
      await sendOn(line)
      expect(mailFrom(line)[1]).toBe('MAIL FROM:<from@example.com>')
    })
  })
}

test.each([
  [{ eightBit: true }, ['SMTPUTF8'], /^554 5\.6\.3 .*8BITMIME/],
  [{ smtpUtf8: true }, ['8BITMIME'], /^550 5\.6\.9 .*SMTPUTF8/],
  [{ to: 'jörg@example.com' }, ['8BITMIME'], /^553 5\.6\.7 .*SMTPUTF8/],
])(
  '%j fails where the relay announces only %j, and the relay hears nothing of it',
  async (flags, capabilities, reply) => {
    await using line = await connectTo(capabilities)
    const exchange = await sendOn(line, flags)
    expect(exchange).toMatchObject({ kind: 'refused', response: expect.stringMatching(reply) })
    expect(judgeExchange(exchange).kind).toBe('failed')
    expect(mailFrom(line)).toEqual([])
    expect(await sendOn(line)).toMatchObject({ kind: 'accepted' })
  },
)

test('the size that is announced counts the signature', async () => {
  await using relay = await openScriptedRelay({ capabilities: ['SIZE 100000'] })
  const message = messageTo('a@example.com')
  const bytes = await deliver(relay, message.bytes, { dkim: dkimOptions })
  const size = Number(/SIZE=(\d+)/.exec(relay.commands.join('\n'))?.[1])
  expect(size).toBe(bytes.length)
  expect(size).toBeGreaterThan(message.bytes.length + 200)
})

test('a message that only its signature makes too large is refused as too large', async () => {
  const { bytes } = messageTo('a@example.com')
  await using relay = await openScriptedRelay({ capabilities: [`SIZE ${bytes.length + 10}`] })
  await expect(deliver(relay, bytes, { dkim: dkimOptions })).rejects.toThrow('552 5.3.4')
})

const dkimOptions = { domainName: 'example.com', keySelector: 'k', privateKey: signing.pem }

/** Sends over a pool of its own, and gives what the relay recorded, dots unstuffed. */
async function deliver(
  relay: ScriptedRelay,
  bytes: Buffer,
  options: Partial<RelayOptions> = {},
): Promise<Buffer> {
  using pool = countedPool(relay.port, options)
  const before = relay.bodies.length
  const exchange = await sendOver(pool, 'a@example.com', { bytes })
  if (exchange.kind === 'refused') throw new Error(exchange.response)
  expect(exchange).toMatchObject({ kind: 'accepted' })
  return recorded(relay.bodies[before] ?? '')
}

function recorded(wire: string): Buffer {
  return Buffer.from(`${wire}\r\n`.replace(/(^|\r\n)\./g, '$1'), 'latin1')
}

const line = fc.oneof(
  fc.constantFrom('', '.', '..', '.a', 'a.', ' ', 'trailing \t ', '\t', 'Q'.repeat(998), 'x'.repeat(5000)),
  fc.uint8Array({ maxLength: 80 }).map((bytes) =>
    Buffer.from(bytes)
      .toString('latin1')
      .replace(/[\r\n]/g, ''),
  ),
)
const message = fc
  .array(line, { minLength: 1, maxLength: 40 })
  .map((lines) => Buffer.from(`Subject: x\r\n\r\n${lines.join('\r\n')}\r\n`, 'latin1'))

test('whatever the message, the relay gets its very bytes', async () => {
  await using line = await connectTo(['8BITMIME', 'SMTPUTF8', 'PIPELINING', 'SIZE'])
  await fc.assert(
    fc.asyncProperty(message, async (bytes) => {
      const before = line.relay.bodies.length
      expect(await sendOn(line, { bytes, eightBit: true })).toMatchObject({ kind: 'accepted' })
      expect(recorded(line.relay.bodies[before] ?? '').equals(bytes)).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test.each([10, 65_000, 65_536, 200_000])(
  'a signature goes before %d bytes, which stay as they are',
  async (length) => {
    await using relay = await openScriptedRelay({ capabilities: ['8BITMIME', 'SIZE'] })
    const head = Buffer.from('From: a@example.com\r\n\r\n')
    const bytes = Buffer.concat([head, Buffer.from('.\r\n'.repeat(Math.ceil(length / 3)))])
    const got = await deliver(relay, bytes, { dkim: dkimOptions })
    expect(got.toString('latin1', 0, 15)).toBe('DKIM-Signature:')
    expect(got.subarray(-bytes.length).equals(bytes)).toBe(true)
    expect(await isValid(got, signing.record)).toBe(true)
  },
)
