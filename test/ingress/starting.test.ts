import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { MailQueue } from '../../src/index.js'
import { type IngressOptions, openIngress } from '../../src/ingress/ingress.js'
import { openIngressRole } from '../../src/ops/ingress.js'
import { password, tls, user } from './ingress-flow.js'
import { greeted, plain, Talk } from './talk.js'

// Nothing listens there, and nothing needs to.
const queue = new MailQueue({ redis: 'redis://127.0.0.1:1' })
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
afterAll(() => queue.close())

async function refused(options: Record<string, unknown>): Promise<{ code: string; message: string }> {
  try {
    const ingress = await openIngress({ queue, port: 0, logger: quiet, ...options } as IngressOptions)
    await ingress.close()
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('it started')
}

describe('on an address that others can reach', () => {
  test.each(['0.0.0.0', '::', '::ffff:0.0.0.0', '192.0.2.1', '10.0.0.1', 'fe80::1', '[::]', '128.0.0.1'])(
    '%s it does not start without TLS and users, and says what to set',
    async (host) => {
      const { code, message } = await refused({ host })
      expect(code).toBe('invalid_config')
      expect(message).toContain(host)
      expect(message).toMatch(/is open to other machines: set tls and users, or/)
    },
  )

  test('TLS without users is not enough, nor are users without TLS', async () => {
    const host = '0.0.0.0'
    expect((await refused({ host, tls })).message).toMatch(/set users/)
    expect((await refused({ host, users: [user] })).message).toMatch(/set tls,/)
  })

  test('with both it starts', async () => {
    const options = { queue, port: 0, logger: quiet, host: '0.0.0.0', tls, users: [user] }
    await using ingress = await openIngress(options)
    using talk = await greeted(ingress.port)
    expect(await talk.ask(plain('shop', password))).toMatch(/^538/)
  })
})

test.each(['127.0.0.1', '127.8.8.8', '::1', '[::1]', '::ffff:127.0.0.1', 'localhost'])(
  'on %s, which is this machine alone, it starts without them',
  async (host) => {
    await using ingress = await openIngress({ queue, port: 0, host, logger: quiet })
    expect(ingress.port).toBeGreaterThan(0)
    expect(ingress.securePort).toBeUndefined()
  },
)

test.each([
  [{ host: '' }, 'invalid_config', /host/],
  [{ host: 'no.such.host.invalid' }, 'invalid_config', /no\.such\.host\.invalid/],
  [{ port: 70_000 }, 'invalid_config', /port: must be at most 65535/],
  [{ port: '25' }, 'invalid_config', /port: must be a port/],
  [{ port: false }, 'invalid_config', /listen nowhere/],
  [{ securePort: 0 }, 'invalid_config', /securePort .* needs tls/],
  [{ tls: { key: tls.key } }, 'invalid_config', /tls\.cert/],
  [{ tls: { key: 'x', cert: 'y' } }, 'invalid_config', /key and cert cannot be used/],
  [{ users: [] }, 'invalid_config', /users: must name at least one user/],
  [{ users: [{ username: 'a' }] }, 'invalid_config', /users\.0\.passwordHash/],
  [{ users: [{ username: 'a', passwordHash: 'hunter2' }] }, 'invalid_config', /--hash-password/],
  [{ users: [user, user] }, 'invalid_config', /users\.1\.username/],
  [{ users: [{ ...user, senders: ['a@b@c'] }] }, 'invalid_config', /users\.0\.senders\.0/],
  [{ users: [{ ...user, password: 'x' }] }, 'invalid_config', /users\.0/],
  [{ maxRecipients: 0 }, 'invalid_config', /maxRecipients/],
  [{ maxReceivingBytes: 5 }, 'invalid_config', /maxReceivingBytes is less than/],
  [{ maxRecipient: 5 }, 'invalid_config', /maxRecipient/],
  [{ domain: 'x\r\ny' }, 'invalid_config', /domain/],
  [{ queue: {} }, 'invalid_config', /MailQueue/],
  [{ logger: {} }, 'invalid_config', /logger/],
])('%j is refused with %s', async (options, code, message) => {
  const error = await refused(options)
  expect(error).toMatchObject({ name: 'FluxMailError', code })
  expect(error.message).toMatch(message)
  expect(error.message).not.toContain('hunter2')
})

test('a port in use is told with what to do, and the other port is let go', async () => {
  await using first = await openIngress({ queue, port: 0, logger: quiet })
  const error = await refused({ tls, port: 0, securePort: first.port })
  expect(error).toMatchObject({ code: 'setup_failed' })
  expect(error.message).toMatch(new RegExp(`127\\.0\\.0\\.1:${first.port}.*choose another securePort`))
})

describe('from the environment', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
    await writeFile(join(folder, 'key.pem'), tls.key)
    await writeFile(join(folder, 'cert.pem'), tls.cert)
    await writeFile(join(folder, 'users.json'), JSON.stringify([user]))
    await writeFile(join(folder, 'broken.json'), '[{ "username": "hunter2" ')
    await writeFile(join(folder, 'plain.json'), '[{ "username": "a", "passwordHash": "hunter2" }]')
    await writeFile(join(folder, 'object.json'), '{"users":[]}')
    await writeFile(join(folder, 'lane.json'), JSON.stringify([{ ...user, lane: 'nosuch' }]))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  const closers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
  })

  async function start(env: Record<string, string>) {
    const role = await openIngressRole({
      FLUXMAIL_REDIS_URL: 'redis://127.0.0.1:1',
      FLUXMAIL_HTTP_PORT: '0',
      FLUXMAIL_INGRESS_PORT: '0',
      FLUXMAIL_LOG_LEVEL: 'silent',
      ...env,
    })
    closers.push(() => role.close())
    return role
  }
  const file = (name: string) => join(folder, name)
  const whole = () => ({
    FLUXMAIL_INGRESS_TLS_KEY_FILE: file('key.pem'),
    FLUXMAIL_INGRESS_TLS_CERT_FILE: file('cert.pem'),
    FLUXMAIL_INGRESS_USERS: file('users.json'),
  })

  test('it listens, serves metrics and health, and answers while Redis is away', async () => {
    const role = await start({
      ...whole(),
      FLUXMAIL_INGRESS_SECURE_PORT: '0',
      FLUXMAIL_INGRESS_DOMAIN: 'mx.example',
    })
    using talk = await Talk.openSecure(role.securePort)
    expect(await talk.reply()).toBe('220 mx.example ESMTP ready')
    await talk.asks('EHLO x', plain('shop', password), 'MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
    expect(await talk.ask('From: a@x.io\r\n\r\n.')).toMatch(/^451 4\.3\.0/)
    const get = async (path: string) => fetch(`http://127.0.0.1:${role.httpPort}${path}`)
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(200)
    const metrics = await (await get('/metrics')).text()
    expect(metrics).toMatch(/^fluxmail_ingress_messages_total\{result="deferred"\} 1$/m)
    expect(metrics).toMatch(/^fluxmail_ingress_connections_open 1$/m)
  })

  test('the port with STARTTLS can be off', async () => {
    const role = await start({ ...whole(), FLUXMAIL_INGRESS_PORT: 'off', FLUXMAIL_INGRESS_SECURE_PORT: '0' })
    expect(role.port).toBeUndefined()
    expect(role.securePort).toBeGreaterThan(0)
  })

  test.each<[string, () => Record<string, string>, string, RegExp]>([
    [
      'a port that is none',
      () => ({ FLUXMAIL_INGRESS_PORT: 'smtp' }),
      'invalid_config',
      /FLUXMAIL_INGRESS_PORT/,
    ],
    [
      'a key without a certificate',
      () => ({ FLUXMAIL_INGRESS_TLS_KEY_FILE: file('key.pem') }),
      'invalid_config',
      /together/,
    ],
    [
      'a missing file',
      () => ({ FLUXMAIL_INGRESS_USERS: file('none.json') }),
      'read_error',
      /FLUXMAIL_INGRESS_USERS names .*none\.json/,
    ],
    ['a folder for a file', () => ({ FLUXMAIL_INGRESS_USERS: folder }), 'read_error', /cannot be read/],
    [
      'users that are no JSON',
      () => ({ FLUXMAIL_INGRESS_USERS: file('broken.json') }),
      'invalid_config',
      /FLUXMAIL_INGRESS_USERS \(.*broken\.json\) is not JSON/,
    ],
    [
      'users that are no array',
      () => ({ FLUXMAIL_INGRESS_USERS: file('object.json') }),
      'invalid_config',
      /array of users/,
    ],
    [
      'an unknown lane',
      () => ({ FLUXMAIL_INGRESS_LANE: 'nosuch' }),
      'invalid_config',
      /no lane "nosuch".*transactional, bulk/,
    ],
    [
      'an unknown lane of a user',
      () => ({ FLUXMAIL_INGRESS_USERS: file('lane.json') }),
      'invalid_config',
      /no lane "nosuch"/,
    ],
    [
      'a public host',
      () => ({ FLUXMAIL_INGRESS_HOST: '0.0.0.0' }),
      'invalid_config',
      /^FluxMailError: FLUXMAIL_INGRESS_HOST 0\.0\.0\.0 is open .*: set FLUXMAIL_INGRESS_TLS_KEY_FILE and FLUXMAIL_INGRESS_TLS_CERT_FILE and FLUXMAIL_INGRESS_USERS, or/,
    ],
    [
      'no room for a message',
      () => ({ FLUXMAIL_INGRESS_MAX_MESSAGE_BYTES: '0' }),
      'invalid_config',
      /FLUXMAIL_INGRESS_MAX_MESSAGE_BYTES: /,
    ],
    [
      'less room than one message may need',
      () => ({ FLUXMAIL_INGRESS_MAX_RECEIVING_BYTES: '5' }),
      'invalid_config',
      /FLUXMAIL_INGRESS_MAX_RECEIVING_BYTES is less than FLUXMAIL_INGRESS_MAX_MESSAGE_BYTES/,
    ],
    [
      'a user without a hash',
      () => ({ FLUXMAIL_INGRESS_USERS: file('plain.json') }),
      'invalid_config',
      /FLUXMAIL_INGRESS_USERS \(.*plain\.json\), 0\.passwordHash: must be a hash/,
    ],
  ])('%s stops it before it listens', async (_, env, code, message) => {
    const error = await start(env()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'FluxMailError', code })
    expect(String(error)).toMatch(message)
    expect(String(error)).not.toContain('hunter2')
  })
})
