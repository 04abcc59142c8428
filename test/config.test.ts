import { expect, test } from 'vitest'
import { parseConfig, relaySchema, workerSchema } from '../src/config.js'
import { FluxMailError } from '../src/errors.js'

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

test('a port in the host is refused with a hint at port', () => {
  expect(problems(() => relay({ host: 'mail.example.com:587' }))).toContain('port 587')
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

test('a worker needs a relay', () => {
  expect(problems(() => parseConfig(workerSchema, { relays: {} }, 'the configuration'))).toContain(
    'at least one relay',
  )
})
