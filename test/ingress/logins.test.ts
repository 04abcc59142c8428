import { scryptSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { accountsOf } from '../../src/ingress/account.js'
import { hashPassword } from '../../src/ingress/ingress.js'
import { Logins } from '../../src/ingress/logins.js'
import { parsePasswordHash, verifyPassword } from '../../src/ingress/password.js'
import { openClient } from '../sink/clients.js'
import { counter, type IngressFlow, openIngressFlow, password, tls, user } from './ingress-flow.js'
import { greeted, handIn, letter, plain, Talk } from './talk.js'

/** Pauses take no time, and the clock goes on only when told. */
function stillClock() {
  let now = 0
  return {
    ...systemClock,
    monotonicMs: () => now,
    sleep: async () => undefined,
    pass: (ms: number) => {
      now += ms
    },
  }
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

async function secured(port: number | undefined): Promise<Talk> {
  const talk = await greeted(port)
  await talk.startTls()
  await talk.ask('EHLO client.example')
  return talk
}

describe('a password hash', () => {
  test('is scrypt with a salt of its own, in a notation that others read', async () => {
    const [one, two] = await Promise.all([hashPassword('söcret'), hashPassword('söcret')])
    expect(one).not.toBe(two)
    const [, salt = '', hash = ''] = /^\$scrypt\$ln=15,r=8,p=1\$([^$]{22})\$([^$]{43})$/.exec(one) ?? []
    const options = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
    const expected = scryptSync('söcret', Buffer.from(salt, 'base64'), 32, options)
    expect(Buffer.from(hash, 'base64').equals(expected)).toBe(true)
  })

  test('verifies its own password and no other', async () => {
    const hash = parsePasswordHash(user.passwordHash)
    if (!hash) throw new Error('it is no hash')
    expect(await verifyPassword(password, hash)).toBe(true)
    for (const wrong of ['', `${password} `, password.toUpperCase(), 'x'.repeat(5000)]) {
      expect(await verifyPassword(wrong, hash)).toBe(false)
    }
  })

  test.each([
    '',
    'secret',
    '$2b$10$abcdefghijklmnopqrstuv',
    '$scrypt$ln=1,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$upE7pamnXlJ1rNMucI8rm5MKiWajcHEe5WukI5EBtho',
    '$scrypt$ln=20,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$upE7pamnXlJ1rNMucI8rm5MKiWajcHEe5WukI5EBtho',
    '$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$short',
  ])('%j is none', (text) => {
    expect(parsePasswordHash(text)).toBeUndefined()
  })

  test.each([[''], ['x'.repeat(1025)]])('is not made of %j', async (text) => {
    await expect(hashPassword(text)).rejects.toMatchObject({ code: 'invalid_params' })
  })
})

describe('with TLS and users', () => {
  let open: IngressFlow
  beforeAll(async () => {
    const restricted = {
      ...user,
      username: 'strict',
      senders: ['Ann@Example.com', '@news.example'],
      lane: 'bulk',
    }
    open = await openIngressFlow({
      tls,
      users: [user, restricted],
      securePort: 0,
      clock: stillClock(),
      maxFailedLogins: 1000,
    })
    await open.flow.work()
  })
  afterAll(() => open[Symbol.asyncDispose]())

  test('a login in the clear is neither offered nor taken, and nobody submits without one', async () => {
    using talk = await Talk.open(open.port)
    await talk.reply()
    const features = await talk.ask('EHLO client.example')
    expect(features).toContain('STARTTLS')
    expect(features).not.toContain('AUTH')
    expect(await talk.ask(plain('shop', password))).toMatch(/^538 5\.7\.11 /)
    expect(await talk.ask('MAIL FROM:<a@x.io>')).toBe(
      '530 5.7.0 Authentication required; STARTTLS comes before AUTH',
    )
    expect(await talk.ask('RCPT TO:<a@x.io>')).toMatch(/^530 /)
    expect(await talk.ask('DATA')).toMatch(/^530 /)
  })

  test.each([
    ['PLAIN at once', [plain('shop', password)], '235 2.7.0'],
    ['PLAIN in two steps', ['AUTH PLAIN', base64(`\0shop\0${password}`)], '235 2.7.0'],
    ['PLAIN as oneself', [plain('shop', password, 'shop')], '235 2.7.0'],
    ['LOGIN', ['AUTH LOGIN', base64('shop'), base64(password)], '235 2.7.0'],
    ['LOGIN with the name at once', [`AUTH LOGIN ${base64('shop')}`, base64(password)], '235 2.7.0'],
    ['PLAIN for somebody else', [plain('shop', password, 'strict')], '535 5.7.8'],
    ['a wrong password', [plain('shop', 'wrong')], '535 5.7.8'],
    ['no password', [plain('shop', '')], '535 5.7.8'],
    ['an unknown user', [plain('nobody', password)], '535 5.7.8'],
    ['a name of every object', [plain('constructor', password)], '535 5.7.8'],
    ['an end in the middle', ['AUTH LOGIN', '*'], '501 5.5.4'],
    ['no base64', ['AUTH PLAIN !!!'], '501 5.5.4'],
    ['another mechanism', ['AUTH CRAM-MD5'], '504 5.5.4'],
    ['a second login', [plain('shop', password), plain('shop', password)], '503 5.5.1'],
    [
      'a login within a mail',
      [plain('shop', password), 'MAIL FROM:<a@x.io>', plain('shop', password)],
      '503 5.5.1',
    ],
  ])('%s is answered as it should be', async (_, lines, reply) => {
    using talk = await secured(open.port)
    expect((await talk.asks(...lines)).slice(0, 9)).toBe(reply)
  })

  test('Received says ESMTPSA, and UTF8SMTPSA where that was asked for, on both ports', async () => {
    const protocols: string[] = []
    for (const [secure, parameter] of [
      [false, ''],
      [true, ' SMTPUTF8'],
    ] as const) {
      await open.flow.sink.clear()
      using talk = secure ? await Talk.openSecure(open.ingress.securePort) : await secured(open.port)
      if (secure) await talk.reply()
      if (secure) expect(await talk.ask('EHLO client.example')).toContain('250 AUTH PLAIN LOGIN')
      await talk.asks(plain('shop', password), `MAIL FROM:<a@x.io>${parameter}`, 'RCPT TO:<b@x.io>', 'DATA')
      talk.write(`${letter}.\r\n`)
      expect(await talk.reply()).toMatch(/^250 /)
      await open.flow.sink.waitForMessages(1)
      const text = open.flow.sink.messages[0]?.bytes.toString() ?? ''
      expect(text).not.toContain('shop')
      protocols.push(/ with (\w+) id /.exec(text)?.[1] ?? '')
    }
    expect(protocols).toEqual(['ESMTPSA', 'UTF8SMTPSA'])
  })

  test("a user's senders are what MAIL FROM may be", async () => {
    using talk = await secured(open.port)
    await talk.ask(plain('strict', password))
    for (const address of ['ann@example.com', 'ANN@EXAMPLE.COM', 'any@news.example']) {
      expect(await talk.asks(`MAIL FROM:<${address}>`, 'RSET')).toMatch(/^250/)
      expect(await talk.ask(`MAIL FROM:<${address}>`)).toMatch(/^250/)
      await talk.ask('RSET')
    }
    for (const address of ['bob@example.com', 'any@sub.news.example', '']) {
      expect(await talk.ask(`MAIL FROM:<${address}>`)).toMatch(/^550 5\.7\.1 This login may not use /)
    }
  })

  test("a user's lane is where the mail goes", async () => {
    using talk = await secured(open.port)
    await talk.ask(plain('strict', password))
    expect(await handIn(talk)).toMatch(/^250 /)
    expect((await open.flow.queue.status()).find(({ lane }) => lane === 'bulk')?.accepted).toBe(1)
  })

  test('three wrong passwords end the connection', async () => {
    using talk = await secured(open.port)
    expect(await talk.asks(plain('shop', '1'), plain('shop', '2'))).toMatch(/^535/)
    expect(await talk.ask(plain('shop', '3'))).toMatch(/^421 4\.7\.0 /)
    expect(await talk.rest()).toBe('')
  })

  test('TLS older than 1.2 is refused', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const
    await expect(Talk.openSecure(open.ingress.securePort, old)).rejects.toThrow(/version|alert|protocol/i)
  })

  test('failed logins are counted, and logged with the address of the client and neither name nor password', async () => {
    using talk = await secured(open.port)
    const before = await counter(open.metrics, 'fluxmail_ingress_logins_failed_total{reason="wrong"}')
    await talk.ask(plain('whoever', 'hunter2'))
    expect(await counter(open.metrics, 'fluxmail_ingress_logins_failed_total{reason="wrong"}')).toBe(
      before + 1,
    )
    const line = open.lines.findLast(({ message }) => message === 'login failed')
    expect(line).toEqual({ level: 'warn', message: 'login failed', remote: '127.0.0.1', reason: 'wrong' })
  })

  test('a failed login is logged with the name of the user, when there is one of that name', async () => {
    using talk = await secured(open.port)
    await talk.ask(plain('shop', 'hunter2'))
    const line = open.lines.findLast(({ message }) => message === 'login failed')
    expect(line).toMatchObject({ remote: '127.0.0.1', user: 'shop', reason: 'wrong' })
    expect(JSON.stringify(open.lines)).not.toContain('hunter2')
  })

  test('over TLS whoever has not logged in is told to, and not of STARTTLS', async () => {
    const logInFirst = '530 5.7.0 Authentication required; log in first'
    using upgraded = await secured(open.port)
    expect(await upgraded.ask('MAIL FROM:<a@x.io>')).toBe(logInFirst)
    using secure = await Talk.openSecure(open.ingress.securePort)
    await secure.asks('EHLO client.example')
    expect(await secure.asks('NOOP', 'MAIL FROM:<a@x.io>', 'NOOP')).toBe(logInFirst)
  })

  test("Nodemailer's client submits over STARTTLS", async () => {
    await open.flow.sink.clear()
    using client = await openClient(open.port, { ignoreTLS: false, requireTLS: true, tls: { ca: tls.cert } })
    await client.login('shop', password)
    expect((await client.send('bob@example.org', letter)).response).toMatch(/^250/)
    await open.flow.sink.waitForMessages(1)
  })
})

test('on loopback without TLS users log in in the clear', async () => {
  await using open = await openIngressFlow({ users: [user] })
  using talk = await greeted(open.port)
  expect(await talk.ask('MAIL FROM:<a@x.io>')).toBe('530 5.7.0 Authentication required; log in first')
  expect(await talk.ask(plain('shop', password))).toMatch(/^235/)
  expect(await handIn(talk)).toMatch(/^250/)
})

test('a connection that does not log in in time is ended', async () => {
  await using open = await openIngressFlow({ users: [user], loginTimeoutMs: 50 })
  using talk = await greeted(open.port)
  expect(await talk.reply()).toMatch(/^421 4\.7\.0 No login came in time/)
  await talk.rest()
})

describe('guessing', () => {
  const accounts = accountsOf([user, { ...user, username: 'other' }])
  const right = { username: 'shop', password }
  const guess = (n: number, username = 'shop') => ({ username, password: `guess ${n}` })

  async function guessAll(logins: Logins, count: number, address: string): Promise<string[]> {
    const results: string[] = []
    for (let n = 0; n < count; n += 1) results.push((await logins.check(guess(n), address)).kind)
    return results
  }

  test('ends after so many failures from one address, for ten minutes, even with the right password', async () => {
    const clock = stillClock()
    const logins = new Logins(accounts, 3, clock)
    expect(await guessAll(logins, 5, '192.0.2.1')).toEqual(['wrong', 'wrong', 'wrong', 'locked', 'locked'])
    expect(await logins.check(right, '192.0.2.1')).toEqual({ kind: 'locked', ms: 600_000 })
    expect(await logins.check(right, '192.0.2.2')).toMatchObject({ kind: 'known' })
    expect((await logins.check(right, '192.0.2.1')).kind).toBe('locked')
    clock.pass(600_000)
    expect((await logins.check(right, '192.0.2.1')).kind).toBe('known')
  })

  test('at the same time gets no more tries than in turn', async () => {
    const logins = new Logins(accounts, 3, stillClock())
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => logins.check(guess(n), '192.0.2.1')),
    )
    expect(results.filter(({ kind }) => kind === 'wrong')).toHaveLength(3)
    expect(results.filter(({ kind }) => kind === 'locked')).toHaveLength(17)
  })

  test('by a neighbour does not lock out who has logged in from there before', async () => {
    const logins = new Logins(accounts, 3, stillClock())
    await logins.check(right, '192.0.2.1')
    for (let n = 0; n < 5; n += 1) await logins.check(guess(n, 'other'), '192.0.2.1')
    expect((await logins.check(guess(9, 'other'), '192.0.2.1')).kind).toBe('locked')
    expect((await logins.check(right, '192.0.2.1')).kind).toBe('known')
  })

  test('a remembered password gives no more tries than another', async () => {
    const logins = new Logins(accounts, 3, stillClock())
    await logins.check(right, '192.0.2.1')
    expect(await guessAll(logins, 5, '192.0.2.1')).toEqual(['wrong', 'wrong', 'wrong', 'locked', 'locked'])
    expect((await logins.check(right, '192.0.2.1')).kind).toBe('locked')
  })

  test('from many addresses of one IPv6 network counts as from one', async () => {
    const logins = new Logins(accounts, 2, stillClock())
    const kinds: string[] = []
    for (const [n, address] of [
      '2001:db8::1',
      '2001:db8::2',
      '2001:db8:0:0:9::3',
      '2001:db8:0:1::1',
    ].entries())
      kinds.push((await logins.check(guess(n), address)).kind)
    expect(kinds).toEqual(['wrong', 'wrong', 'locked', 'wrong'])
  })
})

test('a password that was right is not worked out again for each connection', async () => {
  const costly = accountsOf([{ ...user, passwordHash: await hashPassword(password) }])
  const logins = new Logins(costly, 3, systemClock)
  const start = performance.now()
  await Promise.all(
    Array.from({ length: 50 }, () => logins.check({ username: 'shop', password }, '192.0.2.1')),
  )
  const first = performance.now() - start
  const again = performance.now()
  for (let n = 0; n < 1000; n += 1) await logins.check({ username: 'shop', password }, '192.0.2.1')
  const perLogin = (performance.now() - again) / 1000
  expect(perLogin).toBeLessThan(first / 10)
  expect((await logins.check({ username: 'shop', password: 'wrong' }, '192.0.2.1')).kind).toBe('wrong')
}, 20_000)
