import { afterEach, expect, test } from 'vitest'
import { FluxMail, FluxMailError, type FluxMailOptions } from '../src/index.js'
import { openSink, type Sink, type SinkOptions } from '../src/sink/sink.js'
import { openScriptedRelay, type Script, type ScriptedRelay } from './smtp/scripted-relay.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(
  options: Partial<FluxMailOptions> = {},
  sinkOptions: SinkOptions = {},
): Promise<{ mail: FluxMail; sink: Sink }> {
  const sink = await openSink({ httpPort: false, ...sinkOptions })
  const mail = new FluxMail({
    host: '127.0.0.1',
    port: sink.smtpPort,
    sender: 'shop@example.com',
    ...options,
  })
  closers.push(
    () => sink.close(),
    () => mail.close(),
  )
  return { mail, sink }
}

const fields = (to: string | string[]) => ({ subject: 'Hi', body: 'Hello', recipients: [to].flat() })

async function failure(promise: Promise<unknown>): Promise<FluxMailError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(FluxMailError)
  return thrown as FluxMailError
}

test('create and send give a receipt with what the relay said', async () => {
  const { mail, sink } = await open()
  const email = mail.create(fields('ada@example.com'))
  const result = await email.send()
  expect(result).toEqual({
    messageId: email.messageId,
    accepted: ['ada@example.com'],
    rejected: [],
    response: expect.stringMatching(/^250/),
    relay: '127.0.0.1',
    attempts: 1,
  })
  expect(email.messageId).toMatch(/^<[0-9a-f]{32}@example\.com>$/)
  expect(sink.messages[0]?.bytes.toString().trimEnd()).toBe(email.toMime().toString())
})

test('a message that is refused for some recipients is no success in silence', async () => {
  const { mail } = await open()
  const error = await failure(mail.send(fields(['ada@example.com', 'reject-1@example.com'])))
  expect(error.code).toBe('send_failed')
  expect(error.message).toContain('for 1 of 2 recipients')
  expect(error.details).toMatchObject({
    accepted: ['ada@example.com'],
    rejected: [{ recipient: 'reject-1@example.com', code: 550, reply: expect.stringContaining('unknown') }],
  })
})

test('allowPartial resolves with who was refused, unless nobody was accepted', async () => {
  const { mail } = await open()
  const result = await mail.send(fields(['ada@example.com', 'reject-1@example.com']), { allowPartial: true })
  expect(result.rejected.map((rejected) => rejected.recipient)).toEqual(['reject-1@example.com'])
  await failure(mail.send(fields('reject-1@example.com'), { allowPartial: true }))
})

test('what is transient is tried again as often as asked, and a refusal is not', async () => {
  const { mail, sink } = await open({ maxRetries: 2, retryDelayMs: 1 })
  expect((await mail.send(fields('defer-2-x@example.com'))).attempts).toBe(3)
  const error = await failure(mail.send(fields('reject-x@example.com')))
  expect(error.details).toMatchObject({ attempts: 1 })
  expect(sink.replies.get(550)).toBe(1)
})

test('an answer that never came is not sent again, and the error says that it may have arrived', async () => {
  const { mail, sink } = await open({ maxRetries: 3, retryDelayMs: 1 })
  const error = await failure(mail.send(fields('lost-x@example.com')))
  expect(error.details).toMatchObject({ maybeSent: true, attempts: 1 })
  expect(sink.messages).toHaveLength(1)
})

test('a refused login is not repeated', async () => {
  const { mail, sink } = await open(
    { username: 'ada', password: 'wrong', maxRetries: 3, retryDelayMs: 1 },
    { auth: { username: 'ada', password: 'right' } },
  )
  const error = await failure(mail.send(fields('a@example.com')))
  expect(error.details).toMatchObject({ attempts: 1, reply: { code: 535 } })
  expect(error.message).not.toContain('wrong')
  expect(sink.connections).toBe(1)
})

test('connections are kept from one email to the next', async () => {
  const { mail, sink } = await open()
  for (const name of ['a', 'b', 'c', 'd']) await mail.send(fields(`${name}@example.com`))
  expect(sink.connections).toBe(1)
})

test('one mailer serves concurrent requests, each with its own words', async () => {
  const { mail, sink } = await open()
  const send = (index: number) =>
    mail.send({
      subject: `Subject ${index}`,
      body: `Body ${index}.`,
      recipients: [`r${index}@example.com`],
      headers: { 'X-Token': `t${index}` },
    })
  await Promise.all(Array.from({ length: 200 }, (_, index) => send(index)))
  for (const message of sink.messages) {
    const index = /\d+/.exec(message.to[0] ?? '')?.[0]
    const text = message.bytes.toString()
    for (const part of [`Subject: Subject ${index}\r\n`, `X-Token: t${index}\r\n`, `Body ${index}.\r\n`])
      expect(text).toContain(part)
  }
  expect(sink.messages).toHaveLength(200)
})

test('a dry run previews and touches no network', async () => {
  const { mail, sink } = await open()
  const result = await mail.send(fields('ada@example.com'), { dryRun: true })
  expect(result.preview).toContain('ada@example.com')
  expect(result.accepted).toEqual([])
  expect(sink.connections).toBe(0)
})

test('a dry run needs no relay that can be reached', async () => {
  const mail = new FluxMail({ host: '127.0.0.1', port: 1, sender: 'shop@example.com' })
  expect((await mail.send(fields('a@example.com'), { dryRun: true })).attempts).toBe(0)
  const error = await failure(mail.send(fields('a@example.com')))
  expect(error).toMatchObject({ code: 'send_failed', message: expect.stringContaining('ECONNREFUSED') })
  await mail.close()
})

test('testConnection says what the relay announced, or why it failed', async () => {
  const { mail, sink } = await open()
  const report = await mail.testConnection()
  expect(report).toMatchObject({ ok: true, relay: '127.0.0.1', port: sink.smtpPort, tls: false })
  expect(report.capabilities).toContain('PIPELINING')
  const error = await failure(new FluxMail({ host: '127.0.0.1', port: 1 }).testConnection())
  expect(error.code).toBe('connection_failed')
})

test('the sender is the option, else a username that is an address, else demanded', async () => {
  const named = new FluxMail({ host: 'localhost', username: 'ada@example.com', password: 'x' })
  expect(named.create(fields('b@example.com')).parts.sender?.address).toBe('ada@example.com')
  const bare = new FluxMail({ host: 'localhost', username: 'apikey', password: 'x' })
  expect(() => bare.create(fields('b@example.com'))).toThrow(
    expect.objectContaining({ code: 'sender_required' }),
  )
})

test('an empty relay, a port in the host and an unknown option are refused', () => {
  expect(() => new FluxMail({ host: '' })).toThrow(expect.objectContaining({ code: 'no_relay' }))
  expect(() => new FluxMail({ host: { relay: '' } })).toThrow(expect.objectContaining({ code: 'no_relay' }))
  expect(() => new FluxMail({ host: 'a.example:587' })).toThrow(
    expect.objectContaining({ code: 'invalid_config' }),
  )
  expect(() => new FluxMail({ host: 'a.example', prot: 25 } as never)).toThrow(/prot/)
})

test('fromEnv reads the environment, and says when the host is missing', () => {
  expect(FluxMail.fromEnv({ FLUXMAIL_HOST: 'localhost', FLUXMAIL_SENDER: 'a@example.com' }).isSmtp()).toBe(
    true,
  )
  expect(() => FluxMail.fromEnv({})).toThrow(/FLUXMAIL_HOST/)
})

test('sending nothing is not_created, and a closed mailer says so', async () => {
  const { mail } = await open()
  expect((await failure(mail.send(undefined as never))).code).toBe('not_created')
  await mail.close()
  expect((await failure(mail.send(fields('a@example.com')))).code).toBe('closed')
})

async function scripted(
  script: Script,
  options: Partial<FluxMailOptions> = {},
): Promise<{ mail: FluxMail; relay: ScriptedRelay }> {
  const relay = await openScriptedRelay(script)
  const mail = new FluxMail({
    host: '127.0.0.1',
    port: relay.port,
    sender: 'shop@example.com',
    ...options,
  })
  closers.push(
    () => relay[Symbol.asyncDispose](),
    () => mail.close(),
  )
  return { mail, relay }
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `r${index}@example.com`)

test('an email to many recipients fails for all of them when the relay refuses', async () => {
  const { mail } = await scripted({ greet: () => '554 5.7.1 not you' })
  const error = await failure(mail.send(fields(many(30))))
  expect(error.code).toBe('send_failed')
  expect(error.details.rejected).toHaveLength(30)
  expect(error.details).toMatchObject({ maybeSent: false, reply: { code: 554 } })
})

test('an email to many recipients goes out over the few connections that the relay allows', async () => {
  const { mail, relay } = await scripted({
    greet: () => (relay.open > 3 ? '421 4.7.0 too many connections' : '220 ready'),
  })
  expect((await mail.send(fields(many(30)))).accepted).toHaveLength(30)
  expect(relay.bodies).toHaveLength(30)
})

test('every further try connects again', async () => {
  const { mail, relay } = await scripted(
    { greet: ({ index }) => (index < 2 ? '421 4.3.2 not now' : '220 ready') },
    { maxRetries: 2, retryDelayMs: 1 },
  )
  expect((await mail.send(fields('a@example.com'))).attempts).toBe(3)
  expect(relay.connections).toBe(3)
})

const silentToRcpt: Script = { answer: (command) => (command.startsWith('RCPT') ? '' : undefined) }
const silentToBody: Script = { answerBody: () => '' }

for (const [how, end] of [
  ['its signal is aborted', (abort: AbortController) => abort.abort(new Error('enough'))],
  ['the mailer is closed', (_: AbortController, mail: FluxMail) => mail.close()],
] as const) {
  test(`a send is cut off before the body when ${how}, and nothing was sent`, async () => {
    const { mail, relay } = await scripted(silentToRcpt, { maxRetries: 3, retryDelayMs: 1 })
    const abort = new AbortController()
    const failing = failure(mail.send(fields('a@example.com'), { signal: abort.signal }))
    await expect.poll(() => relay.commands.at(-1)).toMatch(/^RCPT/)
    await end(abort, mail)
    const error = await failing
    expect(error).toMatchObject({ code: 'send_failed', details: { maybeSent: false, attempts: 1 } })
    expect(error.message).toMatch(/enough|closed/)
    await expect.poll(() => relay.open).toBe(0)
    expect(relay.bodies).toEqual([])
  })

  test(`a send is cut off after the final dot when ${how}, and says that it may have arrived`, async () => {
    const { mail, relay } = await scripted(silentToBody, { maxRetries: 3, retryDelayMs: 1 })
    const abort = new AbortController()
    const failing = failure(mail.send(fields('a@example.com'), { signal: abort.signal }))
    await expect.poll(() => relay.bodies.length).toBe(1)
    await end(abort, mail)
    const error = await failing
    expect(error).toMatchObject({ code: 'send_failed', details: { maybeSent: true, attempts: 1 } })
    await expect.poll(() => relay.open).toBe(0)
    expect(relay.connections).toBe(1)
  })

  test(`a send that waits for a connection ends when ${how}`, async () => {
    const { mail, relay } = await scripted({ greet: () => '' }, { maxRetries: 3, retryDelayMs: 1 })
    const abort = new AbortController()
    const failing = failure(mail.send(fields(many(30)), { signal: abort.signal }))
    await expect.poll(() => relay.open).toBe(10)
    await end(abort, mail)
    expect((await failing).details).toMatchObject({ maybeSent: false, attempts: 0, code: 'ABORTED' })
    await mail.close()
    await expect.poll(() => relay.open).toBe(0)
  })

  test(`a send that waits for its next try ends when ${how}`, async () => {
    const { mail, relay } = await scripted(
      { answer: (command) => (command.startsWith('RCPT') ? '451 4.7.1 later' : undefined) },
      { maxRetries: 3, retryDelayMs: 3_600_000 },
    )
    const abort = new AbortController()
    const failing = failure(mail.send(fields('a@example.com'), { signal: abort.signal }))
    await expect.poll(() => relay.commands.at(-1)).toBe('RSET')
    await end(abort, mail)
    expect((await failing).details).toMatchObject({ attempts: 1, reply: { code: 451 } })
  })
}

test('a send whose signal was aborted before sends nothing and connects nowhere', async () => {
  const { mail, sink } = await open()
  const error = await failure(mail.send(fields('a@example.com'), { signal: AbortSignal.abort() }))
  expect(error).toMatchObject({ code: 'send_failed', details: { maybeSent: false } })
  expect(sink.connections).toBe(0)
})

test('an aborted send leaves those of others alone', async () => {
  const { mail, sink } = await open()
  const abort = new AbortController()
  const slow = mail.send(fields('slow-0.2-x@example.com'))
  const aborted = failure(mail.send(fields('slow-5-x@example.com'), { signal: abort.signal }))
  await sink.waitForMessages(2)
  abort.abort()
  expect((await aborted).details).toMatchObject({ maybeSent: true })
  expect((await slow).accepted).toEqual(['slow-0.2-x@example.com'])
})

test('close ends a test of the connection, and there is none after it', async () => {
  const { mail, relay } = await scripted({ greet: () => '' })
  const failing = failure(mail.testConnection())
  await expect.poll(() => relay.open).toBe(1)
  await mail.close()
  expect((await failing).code).toBe('connection_failed')
  await expect.poll(() => relay.open).toBe(0)
  expect((await failure(mail.testConnection())).code).toBe('closed')
})

test('a mailer without options, or with something else for them, is refused', () => {
  for (const options of [undefined, null, 'localhost', 5, {}]) {
    expect(() => new FluxMail(options as never)).toThrow(FluxMailError)
    expect(() => new FluxMail(options as never)).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  }
  for (const objectType of [5, 1n, Symbol('smtp'), Object.create(null)]) {
    const options = { host: 'localhost', objectType } as never
    expect(() => new FluxMail(options)).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  }
})

test('options of send that are none are refused before anything is sent', async () => {
  const { mail, sink } = await open()
  const email = mail.create(fields('a@example.com'))
  for (const options of [
    null,
    5,
    'now',
    { signal: 5 },
    { signal: {} },
    { dryRun: 'yes' },
    { dryrun: true },
  ]) {
    expect((await failure(mail.send(fields('a@example.com'), options as never))).code).toBe('invalid_params')
    expect((await failure(email.send(options as never))).code).toBe('invalid_params')
  }
  for (const nothing of [undefined, null])
    expect((await failure(mail.send(nothing as never))).code).toBe('not_created')
  expect(sink.connections).toBe(0)
})

test('FLUXMAIL_PRESET is a relay without a host, and what is set beside it goes before it', async () => {
  const { sink } = await open()
  expect(() => FluxMail.fromEnv({ FLUXMAIL_PRESET: 'ses' })).toThrow('region: is missing')
  expect(() => FluxMail.fromEnv({ FLUXMAIL_PRESET: 'sendgird' })).toThrow(
    'preset: must be one of ses, gmail, ',
  )
  expect(FluxMail.fromEnv({ FLUXMAIL_PRESET: 'ses', FLUXMAIL_REGION: 'eu-west-1' }).isSmtp()).toBe(true)
  const mail = FluxMail.fromEnv({
    FLUXMAIL_PRESET: 'microsoft365',
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: `${sink.smtpPort}`,
    FLUXMAIL_TLS: 'off',
    FLUXMAIL_SENDER: 'shop@example.com',
  })
  closers.push(() => mail.close())
  await mail.send(fields(many(20)))
  expect(sink.messages).toHaveLength(20)
  expect(sink.connections).toBe(3)
})

test('FLUXMAIL_MAX_CONNECTIONS_PER_WORKER limits the connections of fromEnv, and so does that of the fleet', async () => {
  const { sink } = await open()
  const mail = FluxMail.fromEnv({
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: `${sink.smtpPort}`,
    FLUXMAIL_SENDER: 'shop@example.com',
    FLUXMAIL_MAX_CONNECTIONS: '5',
    FLUXMAIL_MAX_CONNECTIONS_PER_WORKER: '3',
  })
  closers.push(() => mail.close())
  await mail.send(fields(many(20)))
  expect(sink.connections).toBe(3)
})

test('FLUXMAIL_MAX_CONNECTIONS limits the connections of fromEnv', async () => {
  const { sink } = await open()
  const mail = FluxMail.fromEnv({
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: `${sink.smtpPort}`,
    FLUXMAIL_SENDER: 'shop@example.com',
    FLUXMAIL_MAX_CONNECTIONS: '2',
  })
  closers.push(() => mail.close())
  await mail.send(fields(many(20)))
  expect(sink.messages).toHaveLength(20)
  expect(sink.connections).toBe(2)
})

test('a relay that quotes the login gives the password away to nobody', async () => {
  const { mail } = await scripted(
    {
      capabilities: ['AUTH PLAIN'],
      answer: (command) => (/^AUTH/.test(command) ? refuse(command) : undefined),
    },
    { username: 'ada', password: 'hunter2' },
  )
  const refuse = (command: string) =>
    `535 5.7.8 ${command} is wrong: hunter2, ${Buffer.from('hunter2').toString('base64')}`
  for (const error of [
    await failure(mail.send(fields('a@example.com'))),
    await failure(mail.testConnection()),
  ]) {
    const told = `${error.message} ${JSON.stringify(error.details)}`
    expect(told).toContain('535')
    expect(told).not.toContain('hunter2')
    for (const secret of ['hunter2', '\0ada\0hunter2'])
      expect(told).not.toContain(Buffer.from(secret).toString('base64'))
  }
})
