import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RelayConfig, RelayOptions } from '../../src/config.js'
import { parseEnvironment, relayOptionsOf } from '../../src/environment.js'
import { FluxMail, FluxMailError } from '../../src/index.js'
import { createSigningKey } from './dkim-verifiers.js'
import { relayTo } from './sending.js'

const rsa = createSigningKey('rsa', 1024)
const ed25519 = createSigningKey('ed25519')
const named = { domainName: 'example.com', keySelector: 'mail' }
let folder = ''
let file = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxmail-keys-'))
  file = join(folder, 'dkim.pem')
  await writeFile(file, ed25519.pem)
})
afterAll(() => rm(folder, { recursive: true }))

function problem(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!(error instanceof FluxMailError) || error.code !== 'invalid_config') throw error
    return JSON.stringify([error.message, error.details])
  }
  throw new Error('nothing was refused')
}

/** What tests hand over on purpose although the types forbid it. */
const anyRelay = (options: object): RelayConfig => relayTo(25, options as Partial<RelayOptions>)
const dkim = (options: object) => anyRelay({ dkim: { ...named, ...options } }).dkim
const auth = (options: object, relay: object = {}) =>
  anyRelay({ auth: { type: 'OAuth2', user: 'ada@example.com', ...options }, ...relay }).auth

describe('dkim', () => {
  test('takes a key as text, as bytes, with \\n written out, and from a file', () => {
    for (const privateKey of [rsa.pem, Buffer.from(rsa.pem), rsa.pem.trim().replaceAll('\n', '\\n')])
      expect(dkim({ privateKey })?.key.equals(rsa.key)).toBe(true)
    expect(dkim({ privateKeyFile: file })?.key.equals(ed25519.key)).toBe(true)
  })

  test('writes an international domain as it stands in DNS', () => {
    expect(dkim({ domainName: 'Bücher.example', privateKey: rsa.pem })?.domainName).toBe(
      'xn--bcher-kva.example',
    )
  })

  const short = generateKeyPairSync('rsa', { modulusLength: 768 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const locked = generateKeyPairSync('ed25519').privateKey
  const pem = { type: 'pkcs8', format: 'pem' } as const
  const publicPem = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
    type: 'spki',
    format: 'pem',
  })

  test.each([
    ['no key', {}, /dkim\.privateKey: is missing/],
    [
      'both',
      { privateKey: rsa.pem, privateKeyFile: 'x.pem' },
      /dkim\.privateKeyFile: cannot go with privateKey/,
    ],
    ['garbage', { privateKey: 'MIIsecret' }, /dkim\.privateKey: holds no private key/],
    ['half a key', { privateKey: rsa.pem.slice(0, 300) }, /dkim\.privateKey: holds no private key/],
    ['a public key', { privateKey: publicPem }, /dkim\.privateKey: holds no private key/],
    ['a short key', { privateKey: short.export(pem) }, /dkim\.privateKey: is an RSA key of 768 bits/],
    ['another kind', { privateKey: ec.export(pem) }, /dkim\.privateKey: .*must be RSA or Ed25519/],
    [
      'a locked key',
      { privateKey: locked.export({ ...pem, cipher: 'aes-256-cbc', passphrase: 'x' }) },
      /passphrase/,
    ],
    [
      'a missing file',
      { privateKeyFile: '/nowhere/dkim.pem' },
      /dkim\.privateKeyFile: cannot be read: ENOENT/,
    ],
    ['a number', { privateKey: 7 }, /dkim\.privateKey: must be a private key in PEM/],
    [
      'a domain that is none',
      { domainName: 'a b', privateKey: rsa.pem },
      /dkim\.domainName: must be a domain/,
    ],
    [
      'a selector that is none',
      { keySelector: 'a;b=c', privateKey: rsa.pem },
      /dkim\.keySelector: must be a name/,
    ],
    ['no From', { skipFields: 'date:From', privateKey: rsa.pem }, /dkim\.skipFields: names From/],
    ['an unknown option', { privateKey: rsa.pem, selector: 'x' }, /selector/],
  ])(
    'with %s is refused, by the name of the option and without a word of the key',
    (_, options, expected) => {
      const said = problem(() => dkim(options))
      expect(said).toMatch(expected)
      expect(said).not.toMatch(/MII|BEGIN|-----/)
    },
  )

  test('comes from the environment, on one line or from a file', () => {
    const env = { FLUXMAIL_DKIM_DOMAIN: 'example.com', FLUXMAIL_DKIM_SELECTOR: 'mail' }
    const read = (more: object) => anyRelay(relayOptionsOf(parseEnvironment({ ...env, ...more }))).dkim
    const line = rsa.pem.replaceAll('\n', '\\n')
    expect(read({ FLUXMAIL_DKIM_KEY: line })).toMatchObject({
      domainName: 'example.com',
      keySelector: 'mail',
    })
    expect(read({ FLUXMAIL_DKIM_KEY: line })?.key.equals(rsa.key)).toBe(true)
    expect(read({ FLUXMAIL_DKIM_KEY_FILE: file })?.key.equals(ed25519.key)).toBe(true)
    expect(problem(() => read({}))).toContain('dkim.privateKey: is missing')
  })

  test('the configuration shows nothing of the key when it is printed', () => {
    const relay = anyRelay({ dkim: { ...named, privateKey: rsa.pem } })
    expect(JSON.stringify(relay)).not.toMatch(/MII|BEGIN/)
  })
})

describe('auth', () => {
  const refresh = { clientId: 'id', clientSecret: 'very-secret', refreshToken: 'very-secret-2' }

  test('goes with TLS or to loopback only, as a password does', () => {
    expect(problem(() => auth(refresh, { host: 'mail.example.com' }))).toContain(
      'auth: would be sent without TLS',
    )
    expect(auth(refresh, { host: 'mail.example.com', useTls: true })?.user).toBe('ada@example.com')
    expect(auth(refresh, { host: 'mail.example.com', allowPlaintextAuth: true })?.user).toBe(
      'ada@example.com',
    )
  })

  test('does not go with a password', () => {
    for (const relay of [{ username: 'ada', password: 'x' }, { username: 'ada' }, { password: 'x' }])
      expect(problem(() => auth(refresh, relay))).toContain('auth: cannot go with username and password')
  })

  const url = 'https://login.example.com/token'

  test.each([
    ['another type', { ...refresh, type: 'Basic' }, /auth\.type: must be OAuth2/],
    ['no user', { ...refresh, user: undefined }, /auth\.user: must be the mailbox/],
    ['a user of two lines', { ...refresh, user: 'a\u0001auth=x' }, /auth\.user: must be the mailbox/],
    ['nothing to have a token for', {}, /auth\.refreshToken: nothing says how/],
    ['a refresh token alone', { refreshToken: 'very-secret' }, /auth\.clientId: nothing says how/],
    [
      'client credentials without their endpoint',
      { clientId: 'a', clientSecret: 'very-secret' },
      /accessUrl/,
    ],
    ['a service without a key', { serviceClient: '1' }, /auth\.privateKey: is missing/],
    [
      'a service with another kind of key',
      { serviceClient: '1', privateKey: ed25519.pem },
      /auth\.privateKey: .*must be RSA/,
    ],
    [
      'an endpoint without TLS',
      { ...refresh, accessUrl: 'http://login.example.com/?very-secret' },
      /auth\.accessUrl: must be an https/,
    ],
    [
      'an endpoint that is no URL',
      { ...refresh, accessUrl: 'ftp://very-secret' },
      /auth\.accessUrl: must be an https/,
    ],
    ['a getToken that is none', { getToken: 'very-secret' }, /auth\.getToken: must be a function/],
    ['an unknown option', { ...refresh, secret: 'very-secret' }, /secret/],
  ])('with %s is refused, by the name of the option and without its value', (_, options, expected) => {
    const said = problem(() => auth(options))
    expect(said).toMatch(expected)
    expect(said).not.toContain('very-secret')
    expect(said).not.toMatch(/BEGIN/)
  })

  test.each([
    [refresh],
    [{ accessToken: 'x', expires: 1 }],
    [{ getToken: async () => ({ accessToken: 'x' }) }],
    [{ serviceClient: '1', privateKey: rsa.pem }],
    [{ clientId: 'a', clientSecret: 'b', accessUrl: url, scope: 'all' }],
    [{ customParams: { grant_type: 'client_credentials' }, accessUrl: 'http://127.0.0.1:1/token' }],
  ])('is complete with %j', (options) => {
    expect(auth(options)?.user).toBe('ada@example.com')
  })

  test('comes from the environment', () => {
    const values = parseEnvironment({
      FLUXMAIL_OAUTH2_USER: 'ada@example.com',
      FLUXMAIL_OAUTH2_CLIENT_ID: 'id',
      FLUXMAIL_OAUTH2_CLIENT_SECRET: 'secret',
      FLUXMAIL_OAUTH2_URL: url,
      FLUXMAIL_OAUTH2_SCOPE: 'all',
      FLUXMAIL_PORT: '587',
    })
    expect(relayOptionsOf(values)).toEqual({
      port: 587,
      auth: {
        type: 'OAuth2',
        user: 'ada@example.com',
        clientId: 'id',
        clientSecret: 'secret',
        accessUrl: url,
        scope: 'all',
      },
    })
    expect(relayOptionsOf({})).toEqual({})
  })

  test('both reach a FluxMail from the environment', async () => {
    const env = {
      FLUXMAIL_HOST: '127.0.0.1',
      FLUXMAIL_OAUTH2_USER: 'ada@example.com',
      FLUXMAIL_OAUTH2_ACCESS_TOKEN: 'x',
      FLUXMAIL_DKIM_DOMAIN: 'example.com',
    }
    expect(problem(() => FluxMail.fromEnv(env))).toContain('dkim.keySelector')
    const { FLUXMAIL_DKIM_DOMAIN: _, ...enough } = env
    await using mail = FluxMail.fromEnv(enough)
    const email = mail.create({ subject: 'Hello', recipients: ['bob@example.net'], body: 'Hi.' })
    expect(email.toMime().toString()).toContain('From: ada@example.com')
  })
})
