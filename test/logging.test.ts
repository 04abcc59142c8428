import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { FluxMail, type FluxMailOptions, type Logger } from '../src/index.js'
import { openSink } from '../src/sink/sink.js'
import { openScriptedRelay, type Script } from './smtp/scripted-relay.js'

interface Line {
  readonly level: keyof Logger
  readonly fields: object
  readonly message: string
}

interface Recorder extends Logger {
  readonly lines: Line[]
  /** What was said above `debug`, as text. */
  aboveDebug(): string
}

function recorder(): Recorder {
  const lines: Line[] = []
  const record = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, fields, message })
  return {
    lines,
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
    aboveDebug: () => JSON.stringify(lines.filter(({ level }) => level !== 'debug')),
  }
}

async function open(options: Partial<FluxMailOptions> = {}) {
  const sink = await openSink({ httpPort: false })
  const logger = recorder()
  const own = { host: '127.0.0.1', port: sink.smtpPort, sender: 'secret-sender@example.com', logger }
  const mail = new FluxMail({ ...own, ...options })
  onTestFinished(async () => {
    await mail.close()
    await sink.close()
  })
  return { mail, logger, sink }
}

const secrets = /secret|@/
const fields = (...recipients: string[]) => ({
  subject: 'secret subject',
  body: 'secret body',
  recipients: recipients.map((name) => `${name}-secret@example.com`),
})
const warnings = ({ lines }: Recorder) => lines.filter(({ level }) => level === 'warn')

test('a success is told at info, and nothing is warned of', async () => {
  const { mail, logger } = await open()
  await mail.send(fields('ada', 'bob'))
  expect(logger.lines.filter(({ level }) => level === 'info')).toEqual([
    {
      level: 'info',
      message: 'email sent',
      fields: { relay: '127.0.0.1', attempts: 1, accepted: 2, rejected: 0 },
    },
  ])
  expect(warnings(logger)).toEqual([])
  expect(logger.aboveDebug()).not.toMatch(secrets)
})

test('debug lines may say who', async () => {
  const { mail, logger } = await open()
  await mail.send(fields('ada'))
  const debug = logger.lines.filter(({ level }) => level === 'debug')
  expect(JSON.stringify(debug)).toContain('ada-secret@example.com')
  expect(JSON.stringify(logger.lines)).not.toMatch(/secret (subject|body)/)
})

test('a refusal is a warning with the code of the reply, without its text', async () => {
  const { mail, logger } = await open()
  await expect(mail.send(fields('reject'))).rejects.toThrow('550')
  expect(warnings(logger)).toMatchObject([
    {
      message: 'email not sent',
      fields: { code: 'send_failed', reply: '550 5.1.1', replies: { 550: 1 }, accepted: 0 },
    },
  ])
  expect(logger.aboveDebug()).not.toMatch(secrets)
})

test('a partial refusal is a warning that counts, also where it was allowed', async () => {
  const { mail, logger } = await open()
  await expect(mail.send(fields('ada', 'reject'))).rejects.toThrow()
  await mail.send(fields('ada', 'reject'), { allowPartial: true })
  const counts = { accepted: 1, rejected: 1, replies: { 550: 1 } }
  expect(warnings(logger)).toMatchObject([
    { message: 'email not sent', fields: counts },
    { message: 'email refused for some recipients', fields: counts },
  ])
  expect(logger.aboveDebug()).not.toMatch(secrets)
})

test('every further try is a warning before it is waited for', async () => {
  const { mail, logger } = await open({ maxRetries: 2, retryDelayMs: 1 })
  await mail.send(fields('defer-2-ada'))
  expect(warnings(logger)).toEqual([
    {
      level: 'warn',
      message: 'trying again',
      fields: { relay: '127.0.0.1', reason: 451, attempts: 1, delayMs: 1 },
    },
    {
      level: 'warn',
      message: 'trying again',
      fields: { relay: '127.0.0.1', reason: 451, attempts: 2, delayMs: 1 },
    },
  ])
  expect(logger.aboveDebug()).not.toMatch(secrets)
})

test('a relay that cannot be reached is a warning that says what was wrong', async () => {
  const { mail, logger } = await open({ port: 1, maxRetries: 1, retryDelayMs: 1 })
  await expect(mail.send(fields('ada'))).rejects.toThrow()
  await expect(mail.testConnection()).rejects.toThrow()
  expect(warnings(logger).map(({ message }) => message)).toEqual([
    'trying again',
    'email not sent',
    'connection failed',
  ])
  expect(logger.aboveDebug()).toMatch(/ECONNREFUSED/)
  expect(logger.aboveDebug()).not.toMatch(secrets)
})

test('an answer that never came is a warning that says so', async () => {
  const { mail, logger } = await open()
  await expect(mail.send(fields('lost-ada'))).rejects.toThrow()
  expect(warnings(logger)).toMatchObject([{ fields: { maybeSent: true } }])
  expect(logger.aboveDebug()).not.toMatch(secrets)
})

test('wrong input is told to the caller alone', async () => {
  const { mail, logger } = await open()
  expect(() => mail.create({ ...fields('ada'), sender: 'secret' })).toThrow()
  expect(() => mail.create({ ...fields('ada'), cc: ['secret@@example.com'] })).toThrow()
  await expect(mail.send({ ...fields('ada'), subject: 'secret\nBcc: secret@example.com' })).rejects.toThrow()
  await expect(mail.send(fields('ada'), { dryRun: true })).resolves.toBeDefined()
  expect(logger.aboveDebug()).toBe('[]')
  expect(logger.lines.map(({ fields: said }) => (said as { code?: string }).code)).toEqual([
    'invalid_email',
    'invalid_email',
    'invalid_header',
  ])
})

test('a login that is refused is a warning without the login', async () => {
  const sink = await openSink({ httpPort: false, auth: { username: 'a', password: 'b' } })
  onTestFinished(() => sink.close())
  const logger = recorder()
  const login = { username: 'secret-user', password: 'secret-word' }
  await using mail = new FluxMail({
    host: '127.0.0.1',
    port: sink.smtpPort,
    sender: 'secret@x.io',
    ...login,
    logger,
  })
  await expect(mail.send(fields('ada'))).rejects.toThrow('535')
  expect(logger.aboveDebug()).toMatch(/535/)
  expect(logger.aboveDebug()).not.toMatch(secrets)
  expect(JSON.stringify(logger.lines)).not.toContain('secret-word')
})

test('a logger that throws loses no email and repeats none', async () => {
  const fail = () => {
    throw new Error('the disk is full')
  }
  const { mail, sink } = await open({ logger: { debug: fail, info: fail, warn: fail, error: fail } })
  expect((await mail.send(fields('ada'))).accepted).toHaveLength(1)
  await expect(mail.send(fields('reject'))).rejects.toMatchObject({ code: 'send_failed' })
  expect(sink.messages).toHaveLength(1)
})

test('methods of a logger are called as its own', async () => {
  class Own implements Logger {
    readonly said: string[] = []
    debug() {}
    info(_: object, message: string) {
      this.said.push(message)
    }
    warn() {}
    error() {}
  }
  const logger = new Own()
  const { mail } = await open({ logger })
  await mail.send(fields('ada'))
  expect(logger.said).toEqual(['email sent'])
})

test('what is no logger and what is no level is refused', () => {
  const host = 'localhost'
  for (const logger of [null, 5, 'pino', {}, { warn() {} }])
    expect(() => new FluxMail({ host, logger: logger as never })).toThrow(
      expect.objectContaining({ code: 'invalid_config' }),
    )
  for (const logLevel of ['WARN', 'loud', 5, null])
    expect(() => new FluxMail({ host, logLevel: logLevel as never })).toThrow(
      expect.objectContaining({ code: 'invalid_config' }),
    )
  expect(() => FluxMail.fromEnv({ FLUXMAIL_HOST: host, FLUXMAIL_LOG_LEVEL: 'loud' })).toThrow(
    /debug, info, warn, error, silent/,
  )
})

function stdout(): { readonly text: string } {
  const output = { text: '' }
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    output.text += String(chunk)
    return true
  })
  onTestFinished(() => spy.mockRestore())
  return output
}

test.each([
  [undefined, ['"level":40']],
  ['info', ['"level":30', '"level":40']],
  ['error', []],
  ['silent', []],
] as const)(
  'without a logger, lines of JSON go to standard output from level %s on',
  async (logLevel, levels) => {
    const { sink } = await open()
    const output = stdout()
    const env = {
      FLUXMAIL_HOST: '127.0.0.1',
      FLUXMAIL_PORT: String(sink.smtpPort),
      FLUXMAIL_SENDER: 'me@example.com',
      ...(logLevel ? { FLUXMAIL_LOG_LEVEL: logLevel } : {}),
    }
    await using mail = FluxMail.fromEnv(env)
    await mail.send(fields('ada'))
    await expect(mail.send(fields('reject'))).rejects.toThrow()
    const lines = output.text.split('\n').filter((line) => line.startsWith('{'))
    expect(lines.map((line) => /"level":\d+/.exec(line)?.[0])).toEqual(levels)
  },
)

test('nothing is written to the home directory', async () => {
  const home = await mkdtemp(join(tmpdir(), 'fluxmail-home-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  vi.stubEnv('HOME', home)
  onTestFinished(() => void vi.unstubAllEnvs())
  expect(homedir()).toBe(home)
  const { sink } = await open()
  await using mail = new FluxMail({
    host: '127.0.0.1',
    port: sink.smtpPort,
    sender: 'me@example.com',
    logLevel: 'error',
  })
  await mail.send(fields('ada'))
  expect(await readdir(home)).toEqual([])
})

const words = 'secret words of a relay'

test.each<[string, Script]>([
  ['a final answer that is no reply', { answerBody: () => `2banana ${words}` }],
  ['a greeting that is no reply', { greet: () => `xyz ${words}` }],
  [
    'an answer to MAIL that is no reply',
    { answer: (command) => (/^MAIL/.test(command) ? words : undefined) },
  ],
])('%s is warned of by a code, and quoted at debug', async (_, script) => {
  await using relay = await openScriptedRelay(script)
  const { mail, logger } = await open({ port: relay.port })
  await expect(mail.send(fields('ada'))).rejects.toThrow(words)
  expect(warnings(logger)).toMatchObject([{ fields: { reason: 'EPROTOCOL' } }])
  expect(logger.aboveDebug()).not.toMatch(secrets)
  expect(JSON.stringify(logger.lines)).toContain(words)
})

test('why a send was aborted is quoted at debug alone', async () => {
  const { mail, logger } = await open()
  const signal = AbortSignal.abort(new Error('the secret request was cancelled'))
  await expect(mail.send(fields('ada'), { signal })).rejects.toThrow('secret request')
  expect(warnings(logger)).toMatchObject([{ fields: { reason: 'ABORTED', attempts: 0 } }])
  expect(logger.aboveDebug()).not.toMatch(secrets)
})
