import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { RelayOptions } from '../../src/config.js'
import { FluxMail, type FluxMailError } from '../../src/index.js'
import { createTokenSource } from '../../src/smtp/token-source.js'
import { openWire } from '../../src/smtp/wire.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { countedPool, relayTo, sendMany } from './sending.js'
import { openTokenEndpoint, openTokenRelay, type TokenEndpoint } from './token-endpoint.js'

type Auth = NonNullable<RelayOptions['auth']>

const secrets = ['the-client-secret', 'the-refresh-token', 'the-old-token']

function authAt({ url }: Pick<TokenEndpoint, 'url'>, options: Partial<Auth> = {}): Auth {
  return {
    type: 'OAuth2',
    user: 'ada@example.com',
    clientId: 'the-client',
    clientSecret: 'the-client-secret',
    refreshToken: 'the-refresh-token',
    accessUrl: url,
    ...options,
  }
}

const renewed = (token: string) => token.startsWith('token-')

async function failureOf(port: number, auth: Auth, options: Partial<RelayOptions> = {}): Promise<string> {
  const opened = await openWire(relayTo(port, { auth, ...options }))
  if (!('failure' in opened)) throw new Error('the connection was opened')
  expect(opened.failure.phase).toBe('connect')
  const said = JSON.stringify(opened.failure)
  for (const secret of [...secrets, 'token-1', 'token-2']) {
    expect(said).not.toContain(secret)
    expect(said).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''))
  }
  return opened.failure.message
}

describe('a relay with OAuth2', () => {
  test('is logged in to with an access token that was had for the refresh token', async () => {
    await using endpoint = await openTokenEndpoint()
    await using relay = await openTokenRelay({ takes: renewed })
    using pool = countedPool(relay.port, { auth: authAt(endpoint) })
    expect(await sendMany(pool, 1)).toEqual(['accepted'])
    expect(relay.logins).toEqual(['ada@example.com token-1'])
    expect(Object.fromEntries(endpoint.asks[0]?.fields ?? [])).toEqual({
      grant_type: 'refresh_token',
      client_id: 'the-client',
      client_secret: 'the-client-secret',
      refresh_token: 'the-refresh-token',
    })
  })

  test('opens twenty connections for one token', async () => {
    await using endpoint = await openTokenEndpoint()
    await using relay = await openTokenRelay({ takes: renewed })
    using pool = countedPool(relay.port, { auth: authAt(endpoint), maxConnectionsPerWorker: 20 })
    expect(new Set(await sendMany(pool, 60))).toEqual(new Set(['accepted']))
    expect(pool.opened).toBe(20)
    expect(endpoint.asks).toHaveLength(1)
  })

  for (const challenges of [true, false]) {
    test(`renews a token once for the twenty connections that had it refused (${challenges ? '334' : '535'})`, async () => {
      await using endpoint = await openTokenEndpoint()
      await using relay = await openTokenRelay({ takes: renewed, challenges })
      const auth = authAt(endpoint, { accessToken: 'the-old-token' })
      using pool = countedPool(relay.port, { auth, maxConnectionsPerWorker: 20 })
      expect(new Set(await sendMany(pool, 60))).toEqual(new Set(['accepted']))
      expect(relay.logins.filter((login) => login.endsWith('the-old-token')).length).toBeGreaterThan(1)
      expect(endpoint.asks).toHaveLength(1)
      expect(pool.failed).toBe(0)
    })

    test(`gives up when the new token is refused as well (${challenges ? '334' : '535'})`, async () => {
      await using endpoint = await openTokenEndpoint()
      const echo = (initial: string) =>
        `5.7.8 no ${initial} ${Buffer.from(initial, 'base64')}`.replaceAll('\x01', ' ')
      await using relay = await openTokenRelay({ takes: () => false, challenges, refusal: echo })
      expect(await failureOf(relay.port, authAt(endpoint))).toContain('535')
      expect(endpoint.asks).toHaveLength(2)
      expect(relay.logins).toHaveLength(2)
    })
  }

  test('has its token tested by testConnection, which shares it', async () => {
    await using endpoint = await openTokenEndpoint()
    await using relay = await openTokenRelay({ takes: renewed })
    await using mail = new FluxMail({ host: '127.0.0.1', port: relay.port, auth: authAt(endpoint) })
    await expect(mail.testConnection()).resolves.toMatchObject({ ok: true })
    await expect(mail.testConnection()).resolves.toMatchObject({ ok: true })
    const { accepted } = await mail.send({ subject: 'Hello', recipients: ['bob@example.net'], body: 'Hi.' })
    expect(accepted).toEqual(['bob@example.net'])
    expect(relay.relay.bodies[0]).toContain('From: ada@example.com')
    expect(endpoint.asks).toHaveLength(1)
  })
})

describe('where the token comes from', () => {
  test('client_credentials, as Microsoft 365 has it, ask without a refresh token', async () => {
    await using endpoint = await openTokenEndpoint()
    await using relay = await openTokenRelay({ takes: renewed })
    const scope = 'https://outlook.office365.com/.default'
    const auth = authAt(endpoint, { refreshToken: undefined, scope })
    using pool = countedPool(relay.port, { auth })
    expect(await sendMany(pool, 1)).toEqual(['accepted'])
    expect(Object.fromEntries(endpoint.asks[0]?.fields ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: 'the-client',
      client_secret: 'the-client-secret',
      scope,
    })
  })

  test('customParams win over the fields of the request, customHeaders go along', async () => {
    await using endpoint = await openTokenEndpoint()
    await using relay = await openTokenRelay({ takes: renewed })
    const auth = authAt(endpoint, {
      refreshToken: undefined,
      clientSecret: undefined,
      customParams: { grant_type: 'client_credentials', client_assertion: 'signed', resource: 7 },
      customHeaders: { 'X-Tenant': 'example' },
    })
    using pool = countedPool(relay.port, { auth })
    expect(await sendMany(pool, 1)).toEqual(['accepted'])
    expect(Object.fromEntries(endpoint.asks[0]?.fields ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: 'the-client',
      client_assertion: 'signed',
      resource: '7',
    })
    expect(endpoint.asks[0]?.headers['x-tenant']).toBe('example')
  })

  test('a service account signs its request', async () => {
    await using endpoint = await openTokenEndpoint()
    await using relay = await openTokenRelay({ takes: renewed })
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const auth: Auth = {
      type: 'OAuth2',
      user: 'ada@example.com',
      serviceClient: '4711',
      privateKey: pem,
      accessUrl: endpoint.url,
    }
    using pool = countedPool(relay.port, { auth })
    expect(await sendMany(pool, 1)).toEqual(['accepted'])
    const fields = endpoint.asks[0]?.fields
    expect(fields?.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const claims = Buffer.from(fields?.get('assertion')?.split('.')[1] ?? '', 'base64url').toString()
    expect(JSON.parse(claims)).toMatchObject({ iss: '4711', sub: 'ada@example.com', aud: endpoint.url })
  })

  test('a function of the app is asked once for all, and again when the relay refuses', async () => {
    let asked = 0
    await using relay = await openTokenRelay({ takes: (token) => token === 'own-2' })
    const getToken = async () => ({ accessToken: `own-${++asked}` })
    const auth: Auth = { type: 'OAuth2', user: 'ada@example.com', getToken }
    using pool = countedPool(relay.port, { auth, maxConnectionsPerWorker: 20 })
    expect(new Set(await sendMany(pool, 60))).toEqual(new Set(['accepted']))
    expect(asked).toBe(2)
  })

  test('a token is kept until half a minute before its end', async () => {
    await using endpoint = await openTokenEndpoint()
    let now = systemClock.now()
    const clock: Clock = { ...systemClock, now: () => now }
    const { auth } = relayTo(25, { auth: authAt(endpoint) })
    if (auth === undefined) throw new Error('there is no auth')
    const source = createTokenSource(auth, 5_000, clock)
    expect(await source.get()).toBe('token-1')
    now += 3_560_000
    expect(await source.get()).toBe('token-1')
    now += 20_000
    expect(await source.get()).toBe('token-2')
  })

  test('a token that another connection has renewed meanwhile is not renewed again', async () => {
    await using endpoint = await openTokenEndpoint()
    const { auth } = relayTo(25, { auth: authAt(endpoint) })
    if (auth === undefined) throw new Error('there is no auth')
    const source = createTokenSource(auth, 5_000, systemClock)
    expect(await source.get()).toBe('token-1')
    expect(await source.renew('token-1')).toBe('token-2')
    expect(await source.renew('token-1')).toBe('token-2')
    expect(endpoint.asks).toHaveLength(2)
  })
})

describe('a token that is not to be had', () => {
  const echo = `the-client-secret the-refresh-token ${Buffer.from('the-client-secret').toString('base64')}`

  test.each([
    [{ error: 'invalid_grant', error_description: `Bad Request ${echo}` }, /invalid_grant.*authorise anew/],
    [{ error: 'invalid_client', error_description: echo }, /invalid_client.*auth\.clientSecret/],
    [{ error: 'invalid_grant', error_description: `AADSTS70008: ${echo}` }, /\(AADSTS70008\)/],
    [{ error: echo }, /no token/],
    [{ error: { message: echo } }, /no token/],
    [{ token: echo }, /no token/],
    [{ access_token: 17 }, /no token/],
    [{ access_token: 'two\nlines' }, /no token/],
    [[echo], /no token/],
  ])('%j: says what to do and quotes no secret', async (answer, expected) => {
    await using endpoint = await openTokenEndpoint(() => answer)
    await using relay = await openTokenRelay({ takes: () => true })
    expect(await failureOf(relay.port, authAt(endpoint))).toMatch(expected)
    expect(relay.relay.connections).toBe(0)
  })

  test('garbage, an empty answer, a redirect and a hang-up are no token either', async () => {
    await using relay = await openTokenRelay({ takes: () => true })
    const answers: Parameters<typeof openTokenEndpoint>[0][] = [
      (_, response) => void response.end(`<html>${echo}</html>`),
      (_, response) => void response.end(),
      (_, response) =>
        void response.writeHead(302, { location: `ftp://${echo.replaceAll(' ', '.')}/` }).end(),
      (_, response) => void response.destroy(),
      (_, response) => void response.writeHead(503).end('null'),
    ]
    for (const answer of answers) {
      await using endpoint = await openTokenEndpoint(answer)
      expect(await failureOf(relay.port, authAt(endpoint))).toMatch(/^the token endpoint 127\.0\.0\.1:\d+ /)
    }
  })

  test('an endpoint that is away is named', async () => {
    await using relay = await openTokenRelay({ takes: () => true })
    const endpoint = await openTokenEndpoint()
    await endpoint[Symbol.asyncDispose]()
    expect(await failureOf(relay.port, authAt(endpoint))).toMatch(
      /cannot be reached: .*ECONNREFUSED.*auth\.accessUrl/,
    )
  })

  test('an endpoint that never answers, or not to the end, is waited for in vain for the time limit', async () => {
    await using relay = await openTokenRelay({ takes: () => true })
    const silences: Parameters<typeof openTokenEndpoint>[0][] = [
      () => undefined,
      (_, response) => void response.writeHead(200).write('{'),
    ]
    for (const silence of silences) {
      await using endpoint = await openTokenEndpoint(silence)
      expect(await failureOf(relay.port, authAt(endpoint), { timeoutMs: 100 })).toMatch(
        /within 100 ms|in time/,
      )
    }
  })

  test('an endpoint that falls silent when a token has to be renewed ends the login in time', async () => {
    await using endpoint = await openTokenEndpoint(() => undefined)
    await using relay = await openTokenRelay({ takes: renewed })
    const auth = authAt(endpoint, { accessToken: 'the-old-token' })
    expect(await failureOf(relay.port, auth, { timeoutMs: 100 })).toMatch(/within 100 ms|in time/)
  })

  test('nobody who gives up waits for it', async () => {
    await using endpoint = await openTokenEndpoint(() => undefined)
    await using relay = await openTokenRelay({ takes: renewed })
    const giveUp = new AbortController()
    const opening = openWire(relayTo(relay.port, { auth: authAt(endpoint) }), giveUp.signal)
    await expect.poll(() => endpoint.asks.length).toBe(1)
    giveUp.abort()
    expect(await opening).toMatchObject({ failure: { phase: 'connect', code: 'ECONNABORTED' } })
  })

  test('a function that throws or gives something else is not quoted', async () => {
    await using relay = await openTokenRelay({ takes: () => true })
    const own = (getToken: () => unknown) =>
      failureOf(relay.port, {
        type: 'OAuth2',
        user: 'ada@example.com',
        getToken: getToken as Auth['getToken'],
      })
    const failing = () => {
      throw new Error('the-client-secret')
    }
    expect(await own(failing)).toContain('getToken() failed')
    expect(await own(() => Promise.reject('the-client-secret'))).toContain('getToken() failed')
    expect(await own(() => 'the-client-secret')).toContain('{ accessToken, expiresAt }')
    expect(await own(() => ({ accessToken: 'x', expiresAt: 'the-client-secret' }))).toContain('milliseconds')
  })

  test('a token that nothing can renew says so when it is refused', async () => {
    for (const challenges of [true, false]) {
      await using relay = await openTokenRelay({ takes: () => false, challenges })
      const auth: Auth = { type: 'OAuth2', user: 'ada@example.com', accessToken: 'the-old-token' }
      expect(await failureOf(relay.port, auth)).toContain('give auth.refreshToken')
    }
  })

  test('fails send() and testConnection() with their codes', async () => {
    await using endpoint = await openTokenEndpoint(() => ({
      error: 'invalid_grant',
      error_description: echo,
    }))
    await using relay = await openTokenRelay({ takes: renewed })
    await using mail = new FluxMail({
      host: '127.0.0.1',
      port: relay.port,
      auth: authAt(endpoint),
      logLevel: 'silent',
    })
    const failures = await Promise.allSettled([
      mail.testConnection(),
      mail.send({ subject: 'Hello', recipients: ['bob@example.net'], body: 'Hi.' }),
    ])
    const errors = failures.map((each) =>
      each.status === 'rejected' ? (each.reason as FluxMailError) : undefined,
    )
    expect(errors.map((error) => error?.code)).toEqual(['connection_failed', 'send_failed'])
    for (const error of errors) {
      expect(error?.message).toContain('invalid_grant')
      expect(JSON.stringify([error?.message, error?.details])).not.toMatch(
        /the-(client-secret|refresh-token)/,
      )
    }
  })

  test('holds the deliveries of a worker until it is to be had', async () => {
    let isBack = false
    await using endpoint = await openTokenEndpoint(({ number }) =>
      isBack ? { access_token: `token-${number}`, expires_in: 3600 } : { error: 'temporarily_unavailable' },
    )
    await using relay = await openTokenRelay({ takes: renewed })
    await using flow = await openMailFlow()
    const email = flow.mail.create({ subject: 'Hello', recipients: ['bob@example.net'], body: 'Hi.' })
    const { deliveries } = await flow.queue.enqueue(email)
    await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port, auth: authAt(endpoint) } } })
    await expect.poll(() => endpoint.asks.length).toBeGreaterThan(0)
    expect(relay.relay.connections).toBe(0)
    isBack = true
    await expect.poll(() => relay.relay.bodies.length, { timeout: 20_000 }).toBe(1)
    expect(deliveries).toHaveLength(1)
  })
})
