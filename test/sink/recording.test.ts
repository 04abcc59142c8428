import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { letter, openClient, RawClient, sendOne } from './clients.js'

let sink: Sink

beforeEach(async () => {
  sink = await openSink({ httpPort: false })
})

afterEach(() => sink.close())

describe('a recorded message', () => {
  test('has its envelope, its connection, its time and its bytes', async () => {
    const startedAt = Date.now()
    await sendOne(sink.smtpPort, ['bob@example.com', 'eve@example.com'])
    const [message] = sink.messages
    expect(message).toMatchObject({
      id: '1',
      connection: 1,
      from: 'ann@sender.example',
      to: ['bob@example.com', 'eve@example.com'],
      size: letter.length,
    })
    expect(message?.receivedAt).toBeGreaterThanOrEqual(startedAt)
    expect(message?.bytes.toString()).toBe(letter)
  })

  test('keeps every byte, whatever its lines begin with', async () => {
    using client = await openClient(sink.smtpPort)
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('.', '..', '.x', '\r\n.', 'MAIL FROM:<x@y.example>', 'ß'.repeat(500)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
        // A bare CR or LF is rewritten by the client, not by the sink.
        const body = `${lines.map((text) => text.replace(/\r(?!\n)|(?<!\r)\n/g, '')).join('\r\n')}\r\n`
        await client.send('bob@example.com', body)
        expect(sink.messages.at(-1)?.bytes.toString()).toBe(body)
      }),
    )
  })

  test('keeps addresses as they were on the wire, repeats and punycode included', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope('Bob@XN--BCHER-KVA.example', 'eve@example.com', 'EVE@example.com')
    await client.ask('DATA')
    await client.ask(`${letter}.`)
    expect(sink.messages[0]?.to).toEqual(['Bob@XN--BCHER-KVA.example', 'eve@example.com', 'EVE@example.com'])
  })

  test('takes an international local part unless SMTPUTF8 is switched off', async () => {
    await sendOne(sink.smtpPort, 'jürgen@example.com')
    expect(sink.messages[0]?.to).toEqual(['jürgen@example.com'])
    await using ascii = await openSink({ httpPort: false, smtpUtf8: false })
    using client = await RawClient.open(ascii.smtpPort)
    expect(await client.ask('EHLO client.example')).not.toContain('SMTPUTF8')
  })

  test('may come from the null sender', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.ask('EHLO client.example')
    await client.ask('MAIL FROM:<>')
    await client.ask('RCPT TO:<bob@example.com>')
    await client.ask('DATA')
    expect(await client.ask(`${letter}.`)).toMatch(/^250 /)
    expect(sink.messages[0]?.from).toBe('')
  })

  test('is refused when it announces more bytes than the sink takes', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.ask('EHLO client.example')
    expect(await client.ask('MAIL FROM:<a@b.example> SIZE=100000000')).toMatch(/^552 5\.3\.4 /)
  })

  test('is not recorded when the client leaves before the final dot', async () => {
    const client = await RawClient.open(sink.smtpPort)
    await client.envelope('bob@example.com')
    await client.ask('DATA')
    client.write(letter)
    client[Symbol.dispose]()
    await sendOne(sink.smtpPort, 'eve@example.com')
    expect(sink.messages.map(({ to }) => to)).toEqual([['eve@example.com']])
  })
})

describe('counting and waiting', () => {
  test('copies counts the messages of each recipient', async () => {
    await sendOne(sink.smtpPort, ['a@example.com', 'b@example.com'])
    await sendOne(sink.smtpPort, 'a@example.com')
    expect(sink.copies()).toEqual(
      new Map([
        ['a@example.com', 2],
        ['b@example.com', 1],
      ]),
    )
  })

  test('replies counts what was answered by code', async () => {
    await sendOne(sink.smtpPort, ['a@example.com', 'reject-b@example.com', 'reject-c@example.com'])
    expect(sink.replies.get(550)).toBe(2)
    expect(sink.replies.get(354)).toBe(1)
  })

  test('onMessage tells of each message until it is stopped', async () => {
    const seen: string[] = []
    const stop = sink.onMessage(({ to }) => seen.push(...to))
    await sendOne(sink.smtpPort, 'a@example.com')
    stop()
    await sendOne(sink.smtpPort, 'b@example.com')
    expect(seen).toEqual(['a@example.com'])
  })

  test('waitForMessages resolves at once for what is there already', async () => {
    await sendOne(sink.smtpPort, 'a@example.com')
    await sink.waitForMessages(1)
    await sink.waitForMessages(0)
  })

  test('waitForMessages rejects when aborted or closed, saying how many came', async () => {
    const abort = new AbortController()
    const aborted = sink.waitForMessages(3, abort.signal)
    const closed = sink.waitForMessages(4)
    await sendOne(sink.smtpPort, 'a@example.com')
    abort.abort()
    await expect(aborted).rejects.toMatchObject({
      code: 'closed',
      message: expect.stringContaining('3 messages ended with 1'),
    })
    await expect(sink.waitForMessages(3, abort.signal)).rejects.toMatchObject({ code: 'closed' })
    await Promise.all([expect(closed).rejects.toMatchObject({ code: 'closed' }), sink.close()])
  })

  test('clear forgets messages, replies and deferrals, and goes on', async () => {
    await sendOne(sink.smtpPort, 'a@example.com')
    await expect(sendOne(sink.smtpPort, 'defer-1-b@example.com')).rejects.toMatchObject({ responseCode: 451 })
    await sink.clear()
    expect([sink.messages.length, sink.copies().size, sink.replies.size]).toEqual([0, 0, 0])
    await expect(sendOne(sink.smtpPort, 'defer-1-b@example.com')).rejects.toMatchObject({ responseCode: 451 })
    await sendOne(sink.smtpPort, 'defer-1-b@example.com')
    expect(sink.messages.map(({ id }) => id)).toEqual(['2'])
  })
})

describe('with a folder', () => {
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fluxmail-sink-'))
  })

  afterEach(async () => {
    await chmod(folder, 0o700).catch(() => undefined)
    await rm(folder, { recursive: true })
  })

  test('each message is an .eml and a .json file before it is acknowledged', async () => {
    await using kept = await openSink({ httpPort: false, folder })
    await sendOne(kept.smtpPort, 'bob@example.com')
    expect((await readdir(folder)).sort()).toEqual(['000001.eml', '000001.json'])
    expect(await readFile(join(folder, '000001.eml'), 'utf8')).toBe(letter)
    expect(JSON.parse(await readFile(join(folder, '000001.json'), 'utf8'))).toMatchObject({
      from: 'ann@sender.example',
      to: ['bob@example.com'],
      size: letter.length,
    })
    expect(kept.messages[0]?.bytes.toString()).toBe(letter)
  })

  test('messages of an earlier run are there, half-written and foreign files are left alone', async () => {
    const first = await openSink({ httpPort: false, folder })
    for (const name of ['a', 'b']) await sendOne(first.smtpPort, `${name}@example.com`)
    await first.close()
    await writeFile(join(folder, '000003.json'), '{"from":"x')
    await writeFile(join(folder, '000004.json'), '{"from":4}')
    await writeFile(join(folder, 'notes.json'), '{}')
    await using second = await openSink({ httpPort: false, folder })
    expect(second.messages.map(({ to }) => to[0])).toEqual(['a@example.com', 'b@example.com'])
    await sendOne(second.smtpPort, 'c@example.com')
    expect([...second.copies().keys()]).toEqual(['a@example.com', 'b@example.com', 'c@example.com'])
    await second.clear()
    expect((await readdir(folder)).sort()).toEqual(['000004.json', 'notes.json'])
  })

  test('a message that cannot be written is answered with 452 and not recorded', async () => {
    await using kept = await openSink({ httpPort: false, folder })
    await rm(folder, { recursive: true })
    await expect(sendOne(kept.smtpPort, 'bob@example.com')).rejects.toMatchObject({ responseCode: 452 })
    expect(kept.messages).toEqual([])
    await openSink({ httpPort: false, folder }).then((again) => again.close())
  })

  test('a folder that cannot be used is setup_failed and named', async () => {
    const path = join(folder, 'file')
    await writeFile(path, '')
    await expect(openSink({ folder: path })).rejects.toMatchObject({
      code: 'setup_failed',
      message: expect.stringContaining(path),
    })
  })
})
