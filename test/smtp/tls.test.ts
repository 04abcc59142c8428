import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { BulkSender, type Clock, FluxMail, type FluxMailError, type RelayOptions } from '../../src/index.js'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { cert as selfSigned, key as selfSignedKey } from '../sink/certificate.js'
import { ca, expired, key, misnamed, right } from './certificates.js'
import { openScriptedRelay, type Script } from './scripted-relay.js'
import { forwardClock } from './sending.js'

const login = { username: 'ada', password: 'hunter2' }
const address = (index: number) => `r${index}@example.com`
const fieldsTo = (...recipients: string[]) => ({ subject: 'Hi', body: 'Hello', recipients })
const MANY = 25

type Relay = Omit<RelayOptions, 'host'> & { host?: string }

interface Came {
  /** How many messages were accepted. */
  readonly accepted: number
  /** What the failures said. */
  readonly told: readonly string[]
  readonly codes: readonly string[]
}

const retries = { maxRetries: 2, retryDelayMs: 1 }

function mailTo(relay: Relay & Partial<typeof retries> & { clock?: Clock }): FluxMail {
  return new FluxMail({ host: '127.0.0.1', sender: 'shop@example.com', logLevel: 'silent', ...relay })
}

async function sendNow(relay: Relay, recipients: readonly string[]): Promise<Came> {
  await using mail = mailTo(relay)
  return await mail.send(fieldsTo(...recipients)).then(
    ({ accepted }) => ({ accepted: accepted.length, told: [], codes: [] }),
    (error: FluxMailError) => ({
      accepted: (error.details.accepted as string[]).length,
      told: [error.message, ...(error.details.rejected as { reply: string }[]).map(({ reply }) => reply)],
      codes: [error.code],
    }),
  )
}

async function sendBulk(relay: Relay): Promise<Came> {
  // It waits before it asks such a relay once more.
  await using mail = mailTo({ ...relay, clock: forwardClock() })
  const messages = Array.from({ length: MANY }, (_, index) => fieldsTo(address(index)))
  const { sent, errors } = await new BulkSender(mail).sendBatch(messages)
  return {
    accepted: sent,
    told: errors.map(([, { message }]) => message),
    codes: [...new Set(errors.map(([, { code }]) => code))],
  }
}

async function testConnection(relay: Relay): Promise<Came> {
  await using mail = mailTo(relay)
  return await mail.testConnection().then(
    () => ({ accepted: 0, told: [], codes: [] }),
    (error: FluxMailError) => ({ accepted: 0, told: [error.message], codes: [error.code] }),
  )
}

/** Until the worker has sent it, or has put it back because of the relay. */
async function deliver(relay: Relay): Promise<Came> {
  await using flow = await openMailFlow()
  const held: string[] = []
  const keep = (fields: object) => {
    const { outcome, reason } = fields as Record<string, unknown>
    if (outcome === 'held') held.push(String(reason))
  }
  const logger = { debug: keep, info: keep, warn: keep, error: keep }
  await flow.queue.enqueue(flow.mail.create(fieldsTo(address(0))))
  await flow.work({ relays: { main: { host: '127.0.0.1', ...relay } }, logger })
  const sent = await eventually('the delivery was sent or held', async () => {
    const [lane] = await flow.queue.status()
    return lane && (lane.sent > 0 || held.length > 0) ? { count: lane.sent } : undefined
  })
  return { accepted: sent.count, told: held, codes: held.length > 0 ? ['held'] : [] }
}

interface Path {
  readonly name: string
  readonly messages: number
  readonly code: string
  run(relay: Relay): Promise<Came>
}

const paths: readonly Path[] = [
  {
    name: 'email.send() to one',
    messages: 1,
    code: 'send_failed',
    run: (relay) => sendNow(relay, [address(0)]),
  },
  {
    name: 'email.send() to many',
    messages: MANY,
    code: 'send_failed',
    run: (relay) =>
      sendNow(
        relay,
        Array.from({ length: MANY }, (_, index) => address(index)),
      ),
  },
  { name: 'BulkSender', messages: MANY, code: 'send_failed', run: sendBulk },
  { name: 'DeliveryWorker', messages: 1, code: 'held', run: deliver },
  { name: 'testConnection()', messages: 0, code: 'connection_failed', run: testConnection },
]

const modes = [
  { mode: 'STARTTLS', relay: { useTls: true }, secure: false },
  { mode: 'implicit TLS', relay: { useSsl: true }, secure: true },
]

const faults = [
  {
    fault: 'self-signed',
    tls: { cert: selfSigned, key: selfSignedKey },
    trust: {},
    words: /not from an authority that is trusted here.*tls: \{ ca \}/,
  },
  {
    fault: 'by an unknown authority',
    tls: { cert: right, key },
    trust: {},
    words: /not from an authority.*tls: \{ ca \}/,
  },
  { fault: 'expired', tls: { cert: expired, key }, trust: { tls: { ca } }, words: /has expired.*renewed/ },
  {
    fault: 'for another name',
    tls: { cert: misnamed, key },
    trust: { tls: { ca } },
    words: /not for 127\.0\.0\.1 but for DNS:other\.example; use the host name that it is for/,
  },
]

const sinks: Sink[] = []
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
})

async function openTls(tls: { cert: string; key: string }, secure: boolean): Promise<Sink> {
  const sink = await openSink({ httpPort: false, tls, secure, auth: login })
  sinks.push(sink)
  return sink
}

for (const { mode, relay, secure } of modes) {
  describe(mode, () => {
    for (const path of paths) {
      test.each(faults)(
        `a certificate that is $fault is refused by ${path.name}, and nothing reaches the relay`,
        async ({ tls, trust, words }) => {
          const sink = await openTls(tls, secure)
          const came = await path.run({ ...relay, ...trust, ...login, port: sink.smtpPort })
          expect(came.accepted).toBe(0)
          expect(came.codes).toEqual([path.code])
          for (const told of came.told) expect(told).toMatch(words)
          expect(came.told.length).toBeGreaterThan(0)
          // smtp-server counts a connection once it speaks SMTP.
          expect(sink.connections > 0).toBe(!secure)
          expect(sink.messages).toEqual([])
          for (const reply of [235, 334, 354, 535]) expect(sink.replies.get(reply)).toBeUndefined()
        },
      )

      test(`a right certificate is taken by ${path.name} with the authority as tls.ca`, async () => {
        const sink = await openTls({ cert: right, key }, secure)
        const came = await path.run({ ...relay, ...login, tls: { ca }, port: sink.smtpPort })
        expect(came).toEqual({ accepted: path.messages, told: [], codes: [] })
        expect(sink.messages).toHaveLength(path.messages)
        expect(sink.replies.get(235)).toBeGreaterThan(0)
      })

      test.each(faults)(
        `one that is $fault is taken by ${path.name} only with rejectUnauthorized: false`,
        async ({ tls }) => {
          const sink = await openTls(tls, secure)
          const port = sink.smtpPort
          const came = await path.run({ ...relay, ...login, tls: { rejectUnauthorized: false }, port })
          expect(came).toEqual({ accepted: path.messages, told: [], codes: [] })
        },
      )
    }

    test('the name that counts is the one that was configured', async () => {
      const sink = await openTls({ cert: right, key }, secure)
      const port = sink.smtpPort
      expect(
        await sendNow({ ...relay, host: 'localhost', tls: { ca }, ...login, port }, [address(0)]),
      ).toMatchObject({
        accepted: 1,
      })
      const servername = 'other.example'
      const came = await sendNow({ ...relay, tls: { ca, servername }, ...login, port }, [address(0)])
      expect(came.accepted).toBe(0)
      expect(came.told[0]).toMatch(/certificate is not for/)
    })

    test.each([undefined, null, 0, '', 'false'])(
      'rejectUnauthorized: %j does not turn the check off',
      async (value) => {
        const sink = await openTls({ cert: selfSigned, key: selfSignedKey }, secure)
        const tls = { rejectUnauthorized: value as never }
        const came = await sendNow({ ...relay, tls, ...login, port: sink.smtpPort }, [address(0)])
        expect(came.accepted).toBe(0)
      },
    )

    test('the environment of the process does not turn the check off', async () => {
      const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
      try {
        const sink = await openTls({ cert: selfSigned, key: selfSignedKey }, secure)
        const came = await sendNow({ ...relay, ...login, port: sink.smtpPort }, [address(0)])
        expect(came.accepted).toBe(0)
      } finally {
        if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
        else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
      }
    })

    test('a certificate that is not right is not tried again', async () => {
      const sink = await openTls({ cert: expired, key }, secure)
      await using mail = mailTo({ ...relay, tls: { ca }, port: sink.smtpPort })
      const patient = mailTo({ ...relay, tls: { ca }, port: sink.smtpPort, ...retries })
      await expect(patient.send(fieldsTo(address(0)))).rejects.toMatchObject({ details: { attempts: 1 } })
      await patient.close()
      await expect(mail.send(fieldsTo(address(0)))).rejects.toMatchObject({ details: { attempts: 1 } })
      expect(sink.connections).toBe(secure ? 0 : 2)
    })
  })
}

describe('useTls without an upgrade sends nothing', () => {
  const scripts: readonly { how: string; script: Script }[] = [
    { how: 'does not offer STARTTLS and does not know it', script: refusing('502 5.5.1 not known', []) },
    { how: 'has STARTTLS taken out on the way', script: refusing('500 5.5.1 unrecognised', ['XXXXXXXA']) },
    { how: 'answers it with 454', script: refusing('454 4.7.0 TLS not available', ['STARTTLS']) },
    { how: 'answers it with 554', script: refusing('554 5.7.3 no', ['STARTTLS']) },
    { how: 'answers it with 421', script: refusing('421 4.3.2 bye', ['STARTTLS']) },
    {
      how: 'answers EHLO with 500',
      script: { answer: (command) => (/^EHLO/.test(command) ? '500 what?' : undefined) },
    },
    {
      how: 'says 220 and goes on in clear text',
      script: {
        capabilities: ['STARTTLS'],
        answer: (command, { say }) => {
          if (command !== 'STARTTLS') return undefined
          say('220 go ahead')
          setTimeout(() => say('250 as you were'), 20)
          return ''
        },
      },
    },
  ]

  for (const path of paths) {
    test.each(scripts)(`from ${path.name} to a relay that $how`, async ({ script }) => {
      await using relay = await openScriptedRelay(script)
      const came = await path.run({ useTls: true, ...login, port: relay.port, timeoutMs: 3_000 })
      expect(came.accepted).toBe(0)
      expect(came.codes).toEqual([path.code])
      expect(relay.bodies).toEqual([])
      expect(relay.commands.filter((command) => /^(AUTH|MAIL|RCPT|DATA)/.test(command))).toEqual([])
      expect(relay.commands.join()).not.toContain(Buffer.from(login.password).toString('base64'))
    })
  }

  test('the refusal says what STARTTLS was answered with, and which port and option to look at', async () => {
    await using relay = await openScriptedRelay(refusing('502 5.5.1 not known', []))
    const { told } = await sendNow({ useTls: true, port: relay.port }, [address(0)])
    expect(told[0]).toMatch(/useTls is set.*nothing was sent.*502 5\.5\.1 not known.*587.*useSsl.*465/)
  })

  test('454 is tried again as often as asked, and 502 is not', async () => {
    for (const [answer, attempts] of [
      ['454 4.7.0 TLS not available', 1 + retries.maxRetries],
      ['502 5.5.1 not known', 1],
    ] as const) {
      await using relay = await openScriptedRelay(refusing(answer, ['STARTTLS']))
      await using mail = mailTo({ useTls: true, port: relay.port, ...retries })
      await expect(mail.send(fieldsTo(address(0)))).rejects.toMatchObject({ details: { attempts } })
      expect(relay.connections).toBe(attempts)
    }
  })

  test('useSsl to a port that speaks clear text says so, and which port and option to look at', async () => {
    await using relay = await openScriptedRelay()
    const { told, accepted } = await sendNow({ useSsl: true, port: relay.port }, [address(0)])
    expect(accepted).toBe(0)
    expect(told[0]).toMatch(/useSsl is set.*does not speak TLS.*nothing was sent.*465.*useTls.*587/)
  })

  function refusing(answer: string, capabilities: readonly string[]): Script {
    return { capabilities, answer: (command) => (command === 'STARTTLS' ? answer : undefined) }
  }
})

describe('clear text behind the answer to STARTTLS', () => {
  /** Speaks TLS with a right certificate, once it has slipped in `injected`. */
  async function openInjecting(injected: string): Promise<{ port: number; heard: string[]; server: Server }> {
    const heard: string[] = []
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.write('220 ready\r\n')
      const onData = (chunk: Buffer) => {
        const command = chunk.toString().trim()
        if (/^EHLO/.test(command)) socket.write('250-relay\r\n250 STARTTLS\r\n')
        if (command !== 'STARTTLS') return
        socket.off('data', onData)
        socket.write(`220 go ahead\r\n${injected}`)
        const secure = new TLSSocket(socket, { isServer: true, key, cert: right })
        secure.on('error', () => undefined)
        secure.on('data', (text) => {
          heard.push(text.toString().trim())
          secure.write(/^DATA/.test(text.toString()) ? '354 go on\r\n' : '250 OK\r\n')
        })
      }
      socket.on('data', onData)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const bound = server.address()
    return { port: typeof bound === 'object' && bound ? bound.port : 0, heard, server }
  }

  test.each(['250 as you were\r\n', '250-half a rep', 'RSET\r\n250 OK\r\n'])(
    '%j ends the connection',
    async (text) => {
      const { port, heard, server } = await openInjecting(text)
      try {
        for (const path of paths) {
          const came = await path.run({ useTls: true, tls: { ca }, port })
          expect(came.accepted).toBe(0)
          expect(came.codes).toEqual([path.code])
          expect(came.told.join()).toMatch(/clear text came after the answer to STARTTLS/)
        }
        expect(heard).toEqual([])
      } finally {
        server.close()
        await once(server, 'close')
      }
    },
  )

  test('is what makes the difference: without it the same relay is spoken to', async () => {
    const { port, heard, server } = await openInjecting('')
    await using mail = mailTo({ useTls: true, tls: { ca }, port })
    expect(await mail.testConnection()).toMatchObject({ ok: true, tls: true })
    expect(heard[0]).toMatch(/^EHLO/)
    await mail.close()
    server.close()
    await once(server, 'close')
  })
})
