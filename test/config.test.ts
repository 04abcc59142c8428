import { expect, test } from 'vitest'
import { parseConfig, relaySchema, workerSchema } from '../src/config.js'
import { FluxMailError } from '../src/errors.js'
import { DeliveryWorker, FluxMail, MailQueue } from '../src/index.js'

const relay = (input: object) => parseConfig(relaySchema, input, 'the relay')
const problems = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof FluxMailError && error.code === 'invalid_config') return error.message
    throw error
  }
  throw new Error('nothing was refused')
}

test('the port follows from TLS: 465, 587, else 25', () => {
  const host = 'mail.example.com'
  expect(relay({ host }).port).toBe(25)
  expect(relay({ host, useTls: true }).port).toBe(587)
  expect(relay({ host, useSsl: true }).port).toBe(465)
  expect(relay({ host, useSsl: true, port: 2465 }).port).toBe(2465)
})

test('the shorthand relay:domain is taken apart', () => {
  expect(relay({ host: 'mail.example.com:example.com' })).toMatchObject({
    host: 'mail.example.com',
    domain: 'example.com',
  })
  expect(relay({ host: '[2001:db8::1]:example.com' })).toMatchObject({
    host: '2001:db8::1',
    domain: 'example.com',
  })
  expect(relay({ host: '::1' }).host).toBe('::1')
})

test.each(['mail.example.com:587', '[::1]:587', '[127.0.0.1]:587', 'localhost:0'])(
  'a port in the host %s is refused with a hint at port',
  (host) => {
    const [, port] = /:(\d+)$/.exec(host) ?? []
    expect(problems(() => relay({ host }))).toContain(
      `host: holds a port; write host and port apart: port ${port}`,
    )
  },
)

test.each([
  ['smtp://mail.example.com', 'is a URL; port, useSsl and useTls are options of their own'],
  ['https://mail.example.com:443/x', 'is a URL'],
  ['', 'must name the relay'],
  [':example.com', 'must name the relay'],
  ['   ', 'holds a space'],
  ['mail.example.com ', 'holds a space'],
  ['mail example com', 'holds a space'],
  ['mail.example.com\r\nX: y', 'holds a space or a line end'],
  ['mail.example.com\0', 'must be the name of a host'],
  ['mail.example.com/x', 'must be the name of a host'],
  ['ada@mail.example.com', 'must be the name of a host'],
  ['mail..example.com', 'must be the name of a host'],
  ['a'.repeat(64), 'must be the name of a host'],
  [Array(64).fill('abcd').join('.'), 'must be the name of a host'],
  ['[mail.example.com]', 'holds no IP address in its brackets'],
  ['[::1', 'must be the name of a host'],
  ['mail.example.com:a b', 'no domain'],
  ['mail.example.com:example.com:587', 'no domain'],
  ['[::1]x', 'must be the name of a host'],
])('a host that is none, %j, is refused by its name', (host, said) => {
  const message = problems(() => relay({ host }))
  expect(message).toContain('\n  host: ')
  expect(message).toContain(said)
})

test.each([
  'localhost',
  'smtp_relay',
  'mail.example.com.',
  'MAIL.example.com',
  'post.bücher.example',
  '192.0.2.1',
  '2001:db8::1',
  'fe80::1%eth0',
])('the host %s is taken as it is', (host) => {
  expect(relay({ host })).toMatchObject({ host })
  expect(relay({ host }).domain).toBeUndefined()
})

test.each([
  'a b',
  'a\r\nQUIT',
  'a'.repeat(600),
  '',
  '-a.example',
  'a..example',
  '192.0.2.1',
  '[::1]',
  'a.example/x',
])('a domain that is none, %j, is refused when it is configured', (domain) => {
  expect(problems(() => relay({ host: 'mail.example.com', domain }))).toContain(
    'domain: must be a domain such as example.com',
  )
})

test('a domain is kept in the form of the wire, as an option and behind the host', () => {
  const domain = 'xn--bcher-kva.example'
  expect(relay({ host: 'mail.example.com', domain: 'Bücher.Example' }).domain).toBe(domain)
  expect(relay({ host: 'mail.example.com:Bücher.Example' }).domain).toBe(domain)
  expect(relay({ host: 'mail.example.com:other.example', domain }).domain).toBe(domain)
})

test('useTls and useSsl together are refused', () => {
  expect(problems(() => relay({ host: 'a.example', useTls: true, useSsl: true }))).toContain('useSsl')
})

test('username and password go together', () => {
  expect(problems(() => relay({ host: 'localhost', username: 'ada' }))).toContain('both or neither')
})

test('a password without TLS goes to loopback only, unless it is allowed', () => {
  const login = { username: 'ada', password: 'open sesame' }
  expect(problems(() => relay({ host: 'mail.example.com', ...login }))).toContain('allowPlaintextAuth')
  for (const host of ['localhost', '127.0.0.1', '::1']) expect(relay({ host, ...login }).host).toBe(host)
  expect(relay({ host: 'mail.example.com', allowPlaintextAuth: true, ...login }).username).toBe('ada')
  expect(relay({ host: 'mail.example.com', useTls: true, ...login }).username).toBe('ada')
})

test('no message of a wrong configuration holds the password', () => {
  const message = problems(() =>
    relay({ host: 'mail.example.com', username: 'ada', password: 'open sesame', port: 0 }),
  )
  expect(message).not.toContain('open sesame')
})

test('every wrong thing is listed, each with where it stands', () => {
  const message = problems(() =>
    parseConfig(
      workerSchema,
      { relays: { main: { host: '', nonsense: 1 } }, concurrency: 0 },
      'the configuration',
    ),
  )
  expect(message).toContain('relays.main.host')
  expect(message).toContain('nonsense')
  expect(message).toContain('concurrency')
})

test('a route names relays that exist', () => {
  const config = { relays: { main: { host: 'a.example' } }, routes: { news: ['other'] } }
  expect(problems(() => parseConfig(workerSchema, config, 'the configuration'))).toContain(
    'other, which is no relay',
  )
})

test('a route has its relays in order, or each with its weight', () => {
  const relays = { a: { host: 'a.example' }, b: { host: 'b.example' } }
  const parse = (route: unknown) =>
    parseConfig(workerSchema, { relays, routes: { news: route } }, 'the configuration')
  const weighted = [
    { relay: 'a', weight: 3 },
    { relay: 'b', weight: 0.5 },
  ]
  expect(parse(['b', 'a']).routes).toEqual({ news: ['b', 'a'] })
  expect(parse(weighted).routes).toEqual({ news: weighted })
  for (const wrong of [[], ['a', weighted[1]], [{ relay: 'a' }], [{ relay: 'a', weight: 0 }], 'a'])
    expect(problems(() => parse(wrong))).toContain('routes.news')
  expect(problems(() => parse(['a', weighted[1]]))).toContain('or each with its weight')
  expect(problems(() => parse([{ relay: 'c', weight: 1 }]))).toContain('c, which is no relay')
})

test('a worker needs a relay', () => {
  expect(problems(() => parseConfig(workerSchema, { relays: {} }, 'the configuration'))).toContain(
    'at least one relay',
  )
})

test.each([
  ['use_tls', 'useTls'],
  ['use_ssl', 'useSsl'],
  ['ssl_context', 'tls'],
  ['timeout', 'timeoutMs'],
  ['hots', 'host'],
  ['max_connections', 'maxConnections'],
  ['user', 'username'],
  ['requireTLS', 'useTls'],
])('the unknown option %s of a relay is refused with a hint at %s, wherever it stands', (wrong, right) => {
  const hint = `${wrong}: there is no such option. Did you mean ${right}?`
  expect(problems(() => relay({ host: 'a.example', [wrong]: 'x' }))).toContain(`\n  ${hint}`)
  const relays = { main: { host: 'a.example', [wrong]: 'x' } }
  expect(problems(() => parseConfig(workerSchema, { relays }, 'the configuration'))).toContain(
    `\n  relays.main.${hint}`,
  )
})

test('the names of FluxMail and misspelt ones lead to ours: of dkim, of a lane, of a worker, of a queue and of a mailer', () => {
  const dkim = { domain: 'example.com', selector: 'mail', key: 'x' }
  const said = problems(() => relay({ host: 'a.example', dkim }))
  for (const right of ['domainName', 'keySelector', 'privateKey'])
    expect(said).toContain(`Did you mean ${right}?`)
  const worker = {
    relays: { main: { host: 'a.example' } },
    lanes: { bulk: { retry: { delays: [1] } } },
    max_per_second: 5,
    log_level: 'info',
  }
  const refused = problems(() => new DeliveryWorker(worker as never))
  expect(refused).toContain('lanes.bulk.retry.delays: there is no such option. Did you mean delaysMs?')
  expect(refused).toContain('max_per_second: there is no such option. Did you mean maxPerWorkerPerSecond?')
  expect(refused).toContain('log_level: there is no such option. Did you mean logLevel?')
  const queue = { redis: 'redis://127.0.0.1:1', max_attachment_bytes: 1, nmae: 'x', maxPerSecond: 1 }
  const queueing = problems(() => new MailQueue(queue as never))
  for (const right of ['maxAttachmentBytes', 'name']) expect(queueing).toContain(`Did you mean ${right}?`)
  expect(queueing).toContain('maxPerSecond: there is no such option; there are shards, lanes, ')
  const mailer = { host: 'a.example', retry_delay: 1, max_retries: 1, object_type: 'smtp' }
  const mailing = problems(() => new FluxMail(mailer as never))
  for (const right of ['retryDelayMs', 'maxRetries', 'objectType'])
    expect(mailing).toContain(`Did you mean ${right}?`)
})

test('an option that nothing is near to is refused with those that there are', () => {
  expect(problems(() => relay({ host: 'a.example', colour: 'red' }))).toContain(
    'colour: there is no such option; there are host, preset, region, port, domain,',
  )
})

test('what is wrong is said in our words, once, and no text that was given is quoted', () => {
  const options = {
    host: 'a.example',
    port: '25',
    timeoutMs: 0,
    maxConnections: 1.5,
    idleMs: Number.NaN,
    username: '',
    password: 12345,
    useTls: 'yes, very secret',
    tls: [],
  }
  expect(problems(() => relay(options)).split('\n  ')).toEqual([
    'the relay is wrong:',
    'port: must be a number, and is a string',
    'username: must not be empty',
    'password: must be a string, and is a number',
    'useTls: must be true or false, and is a string',
    'tls: must be an object with TLS options',
    'timeoutMs: must be at least 1, and is 0',
    'idleMs: must be a number, and is NaN',
    'maxConnections: must be a whole number, and is 1.5',
  ])
  const worker = (input: unknown) => problems(() => parseConfig(workerSchema, input, 'the configuration'))
  expect(worker({})).toBe('the configuration is wrong:\n  relays: is missing')
  expect(worker('x')).toBe('the configuration is wrong:\n  must be an object, and is a string')
  const named = { relays: { 'a b': { host: 'a.example' } } }
  expect(worker(named)).toContain('relays."a b": must be 1 to 64 of A-Z a-z 0-9 _ -')
  const lane = { retry: { delaysMs: [], jitter: 2, maxAgeMs: 1 }, unknown: 'drop' }
  const lanes = worker({ relays: { main: { host: 'a.example' } }, lanes: { bulk: lane } })
  expect(lanes).toContain('lanes.bulk.retry.delaysMs: must have at least one entry')
  expect(lanes).toContain('lanes.bulk.retry.jitter: must be at most 1, and is 2')
  expect(lanes).toContain('lanes.bulk.unknown: must be hold or resend')
})

test('the options of TLS stay what they were when they were given', () => {
  const tls = { rejectUnauthorized: true }
  const config = relay({ host: 'a.example', useTls: true, tls })
  tls.rejectUnauthorized = false
  expect(config.tls).toEqual({ rejectUnauthorized: true })
})
