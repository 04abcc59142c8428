import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { openSink } from '../../src/sink/sink.js'
import { activeResources, leaksSince } from '../helpers/leaks.js'
import { cert, key } from './certificate.js'
import { letter, openClient, RawClient, sendOne } from './clients.js'

const tls = { key, cert }

describe('opening', () => {
  test('takes free ports on loopback and says where', async () => {
    await using sink = await openSink()
    expect(sink.smtpUrl).toBe(`smtp://127.0.0.1:${sink.smtpPort}`)
    expect(sink.url).toBe(`http://127.0.0.1:${sink.httpPort}/`)
    expect((await fetch(`${sink.url}api/stats`)).status).toBe(200)
  })

  test('opens no page with httpPort false', async () => {
    await using sink = await openSink({ httpPort: false })
    expect([sink.url, sink.httpPort]).toEqual([undefined, undefined])
  })

  test.each(['smtpPort', 'httpPort'] as const)(
    'a %s in use is setup_failed, names the port and leaves nothing open',
    async (option) => {
      const other = createServer().listen(0, '127.0.0.1')
      await once(other, 'listening')
      const address = other.address()
      const port = typeof address === 'object' && address ? address.port : 0
      const before = activeResources()
      await expect(openSink({ [option]: port })).rejects.toMatchObject({
        code: 'setup_failed',
        message: expect.stringMatching(
          new RegExp(`127\\.0\\.0\\.1:${port} \\(${option}\\): port ${port} is in use`),
        ),
      })
      expect(await leaksSince(before)).toEqual([])
      other.close()
    },
  )

  test('wrong options are refused all at once', async () => {
    const options = { smtpPort: 70_000, latencyMs: -1, maxMessagesPerConnection: 0, secure: true }
    await expect(openSink(options)).rejects.toMatchObject({
      code: 'invalid_config',
      details: {
        faults: [
          expect.stringContaining('smtpPort'),
          expect.stringContaining('latencyMs'),
          expect.stringContaining('maxMessagesPerConnection'),
          expect.stringContaining('tls'),
        ],
      },
    })
    await expect(openSink({ tls: { key: 'x', cert: 'y' } })).rejects.toMatchObject({ code: 'invalid_config' })
  })

  test('greets a client at once', async () => {
    await using sink = await openSink({ httpPort: false })
    const startedAt = performance.now()
    for (let count = 0; count < 10; count++) (await RawClient.open(sink.smtpPort))[Symbol.dispose]()
    expect(performance.now() - startedAt).toBeLessThan(800)
  })
})

describe('with a login', () => {
  const auth = { username: 'app', password: 'secret' }

  test('mail is taken after the right login only', async () => {
    await using sink = await openSink({ httpPort: false, auth })
    using stranger = await openClient(sink.smtpPort)
    await expect(stranger.send('bob@example.com')).rejects.toMatchObject({ responseCode: 530 })
    await expect(stranger.login('app', 'wrong')).rejects.toMatchObject({ responseCode: 535 })
    using client = await openClient(sink.smtpPort)
    await client.login('app', 'secret')
    await client.send('bob@example.com')
    expect(sink.messages).toHaveLength(1)
  })

  test('a login needs STARTTLS first where there is a certificate', async () => {
    await using sink = await openSink({ httpPort: false, auth, tls })
    using plain = await openClient(sink.smtpPort)
    await expect(plain.login('app', 'secret')).rejects.toMatchObject({ responseCode: 538 })
    using client = await openClient(sink.smtpPort, { ignoreTLS: false, requireTLS: true, tls: { ca: cert } })
    await client.login('app', 'secret')
    await client.send('bob@example.com')
    expect(sink.messages).toHaveLength(1)
  })

  test('secure speaks TLS from the start', async () => {
    await using sink = await openSink({ httpPort: false, tls, secure: true })
    expect(sink.smtpUrl).toMatch(/^smtps:/)
    using client = await openClient(sink.smtpPort, { secure: true, tls: { ca: cert } })
    await client.send('bob@example.com')
    expect(sink.messages).toHaveLength(1)
  })

  test('without tls and auth neither is offered', async () => {
    await using sink = await openSink({ httpPort: false })
    using client = await RawClient.open(sink.smtpPort)
    expect(await client.ask('EHLO client.example')).not.toMatch(/STARTTLS|AUTH/)
  })
})

describe('closing is bounded and leaves nothing open', () => {
  const limitMs = 1000

  async function closeWith(
    options: Parameters<typeof openSink>[0],
    use: (port: number, url: string) => Promise<unknown>,
  ) {
    const before = activeResources()
    const sink = await openSink(options)
    const client = await use(sink.smtpPort, sink.url ?? '')
    const startedAt = performance.now()
    await sink.close()
    expect(performance.now() - startedAt).toBeLessThan(limitMs)
    if (client instanceof RawClient) client[Symbol.dispose]()
    expect(await leaksSince(before)).toEqual([])
    await sink.close()
  }

  test('with an idle connection', () => closeWith({ httpPort: false }, (port) => RawClient.open(port)))

  test('in the middle of DATA', () =>
    closeWith({ httpPort: false }, async (port) => {
      const client = await RawClient.open(port)
      await client.envelope('bob@example.com')
      await client.ask('DATA')
      client.write('half a mess')
      return client
    }))

  test('while a slow reply is due', () =>
    closeWith({ httpPort: false }, async (port) => {
      const client = await RawClient.open(port)
      await client.envelope('slow-900-a@example.com')
      await client.ask('DATA')
      client.write(`${letter}.\r\n`)
      return client
    }))

  test('in the middle of a STARTTLS handshake', () =>
    closeWith({ httpPort: false, tls }, async (port) => {
      const client = await RawClient.open(port)
      await client.ask('EHLO client.example')
      await client.ask('STARTTLS')
      client.write('\x16\x03\x01')
      return client
    }))

  test('with connections that went through TLS, or wait for it', () =>
    closeWith({ httpPort: false, tls, secure: true }, async (port) => {
      const client = await openClient(port, { secure: true, tls: { ca: cert } })
      await client.send('bob@example.com')
      const waiting = connect(port, '127.0.0.1')
      waiting.on('error', () => undefined)
      await once(waiting, 'connect')
    }))

  test('after a lost message, whose client keeps its side open', () =>
    closeWith({ httpPort: false }, async (port) => {
      const client = await RawClient.open(port, { allowHalfOpen: true })
      await client.envelope('lost-a@example.com')
      await client.ask('DATA')
      client.write(`${letter}.\r\n`)
      await client.ended()
      return client
    }))

  test('while a page listens for events', () =>
    closeWith({}, async (port, url) => {
      const response = await fetch(`${url}api/events`)
      const reader = response.body?.getReader()
      await reader?.read()
      await sendOne(port, 'bob@example.com')
      reader?.read().catch(() => undefined)
    }))
})
