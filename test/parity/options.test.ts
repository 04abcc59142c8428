import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { environmentVariables, parseEnvironment } from '../../src/environment.js'
import { type Clock, EmailTemplate, FluxMail, systemClock } from '../../src/index.js'
import { openSink } from '../../src/sink/sink.js'
import { eventually } from '../helpers/eventually.js'
import { refusalOf } from '../message/refusal.js'
import { openScriptedRelay, type Script } from '../smtp/scripted-relay.js'
import { letter, openPost } from './received.js'

const post = openPost()

function refusedWith(options: object) {
  return refusalOf(() => new FluxMail(options as never))
}

test.each([
  ['a name', { host: '127.0.0.1' }, undefined],
  ['relay:domain', { host: '127.0.0.1:mail.example.org' }, 'mail.example.org'],
  ['an EmailInstance', { host: { relay: '127.0.0.1', domain: 'mail.example.org' } }, 'mail.example.org'],
  ['an EmailInstance without a domain', { host: { relay: '127.0.0.1' } }, undefined],
] as const)('host may be %s, and its domain is that of EHLO and of Message-IDs', async (_, host, domain) => {
  await using relay = await openScriptedRelay()
  await using mail = new FluxMail({
    ...host,
    port: relay.port,
    sender: 'news@example.com',
    logLevel: 'silent',
  })
  const { messageId } = await mail.send(letter)
  expect(messageId.endsWith(`@${domain ?? 'example.com'}>`)).toBe(true)
  if (domain !== undefined) expect(relay.commands[0]).toBe(`EHLO ${domain}`)
})

test('domain is that of EHLO and of Message-IDs, as an option of its own and before that of the host', async () => {
  for (const host of ['127.0.0.1', '127.0.0.1:other.example', { relay: '127.0.0.1' }]) {
    await using relay = await openScriptedRelay()
    const own = { port: relay.port, sender: 'news@example.com', logLevel: 'silent' } as const
    await using mail = new FluxMail({ host, domain: 'Bücher.example', ...own })
    const { messageId } = await mail.send(letter)
    expect(relay.commands[0]).toBe('EHLO xn--bcher-kva.example')
    expect(messageId).toMatch(/@xn--bcher-kva\.example>$/)
    expect(relay.bodies[0]).toContain(`Message-ID: ${messageId}`)
  }
})

test('host may be an IPv6 literal in brackets, with a domain behind it', async (context) => {
  const server = createServer((socket) => socket.end('421 not today\r\n')).listen(0, '::1')
  const listening = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  if (!listening) context.skip('this machine has no IPv6 loopback')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await using mail = new FluxMail({
    host: '[::1]:example.org',
    port,
    sender: 'news@example.com',
    logLevel: 'silent',
  })
  await expect(mail.testConnection()).rejects.toMatchObject({
    code: 'connection_failed',
    message: expect.stringContaining('421'),
  })
  server.close()
  await once(server, 'close')
})

test('host is refused when it is empty, and when it holds a port, with a hint at port', () => {
  expect(refusedWith({ host: '' }).code).toBe('no_relay')
  expect(refusedWith({ host: { relay: '' } }).code).toBe('no_relay')
  const error = refusedWith({ host: 'smtp.example.com:587' })
  expect([error.code, error.message]).toEqual(['invalid_config', expect.stringContaining('port 587')])
})

test.each([0, 65_536, 2.5, '25', Number.NaN])('port is 1 to 65535: %s is refused', (port) => {
  expect(refusedWith({ host: 'x', port }).code).toBe('invalid_config')
})

test('username and password: both or neither, and without TLS to loopback only', async () => {
  const login = { username: 'a@example.com', password: 'secret' }
  expect(refusedWith({ host: '127.0.0.1', username: 'a' }).code).toBe('invalid_config')
  expect(refusedWith({ host: '127.0.0.1', password: 'p' }).code).toBe('invalid_config')
  const plain = refusedWith({ host: 'smtp.example.com', ...login })
  expect([plain.code, plain.message]).toEqual([
    'invalid_config',
    expect.stringContaining('allowPlaintextAuth'),
  ])
  for (const options of [{ useTls: true }, { useSsl: true }, { allowPlaintextAuth: true }]) {
    await new FluxMail({ host: 'smtp.example.com', ...login, ...options }).close()
  }
})

test('useTls and useSsl together are invalid_config', () => {
  expect(refusedWith({ host: 'x', useTls: true, useSsl: true }).code).toBe('invalid_config')
})

test('timeoutMs ends a connection that stays silent', async () => {
  await using relay = await openScriptedRelay({ greet: () => '' })
  const options = { host: '127.0.0.1', port: relay.port, sender: 'a@example.com' }
  await using mail = new FluxMail({ ...options, timeoutMs: 50, logLevel: 'silent' })
  await expect(mail.send(letter)).rejects.toMatchObject({ code: 'send_failed' })
  await expect(mail.testConnection()).rejects.toMatchObject({ code: 'connection_failed' })
})

/** A clock whose waits are over at once and written down. */
function quickClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = []
  return { ...systemClock, waits, sleep: async (ms) => void waits.push(ms) }
}

test.each<[string, Script, number]>([
  [
    'a transient reply',
    { answer: (command) => (command.startsWith('RCPT') ? '451 4.3.0 later' : undefined) },
    3,
  ],
  [
    'a connection lost before the final dot',
    { answer: (command, { hangUp }) => (command === 'DATA' ? hangUp() : undefined) as undefined },
    3,
  ],
  [
    'a permanent reply',
    { answer: (command) => (command.startsWith('RCPT') ? '550 5.1.1 no' : undefined) },
    1,
  ],
  [
    'a final dot without an answer',
    {
      answerBody: (_, { hangUp }) => {
        hangUp()
        return ''
      },
    },
    1,
  ],
])('maxRetries after %s, with retryDelayMs between', async (_, script, attempts) => {
  await using relay = await openScriptedRelay(script)
  const clock = quickClock()
  const options = { host: '127.0.0.1', port: relay.port, sender: 'a@example.com', clock }
  await using mail = new FluxMail({ ...options, maxRetries: 2, retryDelayMs: 1234, logLevel: 'silent' })
  await expect(mail.send(letter)).rejects.toMatchObject({ code: 'send_failed', details: { attempts } })
  expect(clock.waits).toEqual(Array(attempts - 1).fill(1234))
})

test('details hold code, enhanced code and text of a reply', async () => {
  const answer = (command: string) => (command.startsWith('RCPT') ? '550 5.1.1 nobody here' : undefined)
  await using relay = await openScriptedRelay({ answer })
  const options = { host: '127.0.0.1', port: relay.port, sender: 'a@example.com' }
  await using mail = new FluxMail({ ...options, logLevel: 'silent' })
  const reply = { code: 550, enhanced: '5.1.1', text: expect.stringContaining('nobody here') }
  await expect(mail.send(letter)).rejects.toMatchObject({ code: 'send_failed', details: { reply } })
  await using busy = await openScriptedRelay({ greet: () => '554 5.3.2 go away' })
  await using other = new FluxMail({ ...options, port: busy.port, logLevel: 'silent' })
  await expect(other.testConnection()).rejects.toMatchObject({
    code: 'connection_failed',
    details: { reply: { code: 554, enhanced: '5.3.2', text: expect.stringContaining('go away') } },
  })
})

test('without maxRetries nothing is tried again', async () => {
  await using relay = await openScriptedRelay({
    answer: (command) => (command.startsWith('RCPT') ? '451 later' : undefined),
  })
  await using mail = new FluxMail({
    host: '127.0.0.1',
    port: relay.port,
    sender: 'a@example.com',
    logLevel: 'silent',
  })
  await expect(mail.send(letter)).rejects.toMatchObject({ details: { attempts: 1 } })
})

test('sender is the option, else the username when it is an address', async () => {
  const login = { username: 'login@example.org', password: 'secret' }
  expect(post.mailer({ ...login, sender: undefined }).create(letter).parts.sender?.address).toBe(
    'login@example.org',
  )
  expect(post.mailer(login).create(letter).parts.sender?.address).toBe('news@example.com')
  const apiKey = post.mailer({ username: 'apikey', password: 'x', sender: undefined })
  expect(refusalOf(() => apiKey.create(letter)).code).toBe('sender_required')
})

test('`await using` and close() hang up, and one mailer keeps its connection from one email to the next', async () => {
  await using relay = await openScriptedRelay()
  {
    await using mail = new FluxMail({
      host: '127.0.0.1',
      port: relay.port,
      sender: 'a@example.com',
      logLevel: 'silent',
    })
    for (const subject of ['1', '2', '3']) await mail.send({ ...letter, subject })
    expect([relay.connections, relay.bodies.length]).toEqual([1, 3])
  }
  await eventually('it hung up', () => relay.open === 0)
  expect(relay.commands.filter((command) => command === 'QUIT')).toHaveLength(1)
})

test('testConnection() gives relay, port, latency, capabilities and tls, and sends nothing', async () => {
  await using relay = await openScriptedRelay({ capabilities: ['SIZE 1000'] })
  await using mail = new FluxMail({ host: '127.0.0.1', port: relay.port })
  expect(await mail.testConnection()).toEqual({
    ok: true,
    relay: '127.0.0.1',
    port: relay.port,
    latencyMs: expect.any(Number),
    capabilities: expect.arrayContaining([expect.stringContaining('SIZE')]),
    tls: false,
  })
  expect(relay.commands.filter((command) => !/^(EHLO|QUIT)/.test(command))).toEqual([])
})

test.each([
  ['autoescape', 'false'],
  ['strict', 1],
  ['name', {}],
  ['autoEscape', false],
])(
  'an EmailTemplate whose %s is %j is refused, since it would be taken for something else',
  (option, value) => {
    const error = refusalOf(() => new EmailTemplate('x', { [option]: value }))
    expect([error.code, error.message]).toEqual(['invalid_params', expect.stringContaining(option)])
  },
)

const texts: Readonly<Record<string, readonly [text: string, value: string | number | boolean]>> = {
  FLUXMAIL_TYPE: ['SMTP', 'SMTP'],
  FLUXMAIL_HOST: ['smtp.example.com', 'smtp.example.com'],
  FLUXMAIL_PORT: ['2525', 2525],
  FLUXMAIL_USERNAME: ['ada@example.com', 'ada@example.com'],
  FLUXMAIL_PASSWORD: ['pass word', 'pass word'],
  FLUXMAIL_TLS: ['yes', true],
  FLUXMAIL_SSL: ['0', false],
  FLUXMAIL_TIMEOUT: ['1.5', 1500],
  FLUXMAIL_MAX_RETRIES: ['3', 3],
  FLUXMAIL_RETRY_DELAY: ['2', 2000],
  FLUXMAIL_SENDER: ['news@example.com', 'news@example.com'],
}

test.each(Object.keys(texts))("%s is read as FluxMail's, its seconds as milliseconds", (name) => {
  const [text, value] = texts[name] ?? []
  const { sets } = environmentVariables[name as keyof typeof environmentVariables]
  expect(parseEnvironment({ [name]: text })).toEqual({ [sets]: value })
})

test('fromEnv() makes a mailer of all of them, and says which one is missing', async () => {
  const env = Object.fromEntries(Object.entries(texts).map(([name, [text]]) => [name, text]))
  await using mail = FluxMail.fromEnv(env)
  expect(mail.create(letter).parts.sender?.address).toBe('news@example.com')
  const error = refusalOf(() => FluxMail.fromEnv({ ...env, FLUXMAIL_HOST: '' }))
  expect([error.code, error.message]).toEqual(['invalid_config', expect.stringContaining('FLUXMAIL_HOST')])
})

test('a password with spaces around it logs in, from the environment and as an option', async () => {
  const auth = { username: 'ada@example.com', password: ' open sesame ' }
  await using sink = await openSink({ httpPort: false, auth })
  const env = {
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: String(sink.smtpPort),
    FLUXMAIL_USERNAME: auth.username,
    FLUXMAIL_PASSWORD: auth.password,
    FLUXMAIL_LOG_LEVEL: 'silent',
  }
  await using read = FluxMail.fromEnv(env)
  await using given = new FluxMail({ host: '127.0.0.1', port: sink.smtpPort, ...auth, logLevel: 'silent' })
  for (const mail of [read, given]) expect((await mail.send(letter)).accepted).toEqual(['ada@example.com'])
  await using trimmed = FluxMail.fromEnv({ ...env, FLUXMAIL_PASSWORD: 'open sesame' })
  await expect(trimmed.send(letter)).rejects.toThrow('535')
})
