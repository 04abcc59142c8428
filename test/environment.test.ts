import { expect, test } from 'vitest'
import { parseEnvironment } from '../src/environment.js'
import { FluxMailError } from '../src/errors.js'

test.each(['true', '1', 'yes', 'on', 'TRUE', 'On'])('FLUXMAIL_TLS=%s means TLS', (word) => {
  expect(parseEnvironment({ FLUXMAIL_TLS: word })).toEqual({ useTls: true })
})

test.each(['false', '0', 'no', 'off', 'OFF'])('FLUXMAIL_TLS=%s means no TLS', (word) => {
  expect(parseEnvironment({ FLUXMAIL_TLS: word })).toEqual({ useTls: false })
})

test.each(['true', '1', 'Yes', 'ON', 'false', '0', 'No', 'OFF'])(
  'FLUXMAIL_SSL=%s is read as FLUXMAIL_TLS is',
  (word) => {
    const { useTls } = parseEnvironment({ FLUXMAIL_TLS: word })
    expect(useTls).toBeTypeOf('boolean')
    expect(parseEnvironment({ FLUXMAIL_SSL: word })).toEqual({ useSsl: useTls })
  },
)

test('any other word for a boolean is refused, with what was read', () => {
  const parse = () => parseEnvironment({ FLUXMAIL_TLS: 'enabled', FLUXMAIL_SSL: 'maybe' })
  expect(parse).toThrow(FluxMailError)
  expect(parse).toThrow(/FLUXMAIL_TLS must be true, 1, yes, on, false, 0, no or off, and is "enabled"/)
  expect(parse).toThrow(/FLUXMAIL_SSL/)
})

test('seconds of the environment become milliseconds', () => {
  expect(parseEnvironment({ FLUXMAIL_TIMEOUT: '2.5', FLUXMAIL_RETRY_DELAY: '0' })).toEqual({
    timeoutMs: 2500,
    retryDelayMs: 0,
  })
})

test('an empty variable is an unset one', () => {
  expect(parseEnvironment({ FLUXMAIL_HOST: '', FLUXMAIL_PORT: ' ' })).toEqual({})
})

test('a number that is none is refused', () => {
  expect(() => parseEnvironment({ FLUXMAIL_PORT: '25x' })).toThrow(
    /FLUXMAIL_PORT must be a whole number of 0 or more, and is "25x"/,
  )
  expect(() => parseEnvironment({ FLUXMAIL_CONCURRENCY: '1.5' })).toThrow(/whole number/)
  expect(() => parseEnvironment({ FLUXMAIL_TIMEOUT: '-1' })).toThrow(/number of seconds, 0 or more/)
  expect(() => parseEnvironment({ FLUXMAIL_RATE_PER_SECOND: '-4' })).toThrow(
    /number of 0 or more, and is "-4"/,
  )
})

test('a password is taken as it is, and of other values the spaces around them are cut off', () => {
  expect(
    parseEnvironment({
      FLUXMAIL_PASSWORD: ' open sesame\t',
      FLUXMAIL_OAUTH2_CLIENT_SECRET: ' secret ',
      FLUXMAIL_HOST: ' smtp.example.com\n',
      FLUXMAIL_REDIS_URL: ' redis://127.0.0.1:6379 ',
    }),
  ).toEqual({
    password: ' open sesame\t',
    oauth2ClientSecret: ' secret ',
    host: 'smtp.example.com',
    redis: 'redis://127.0.0.1:6379',
  })
})

test('no secret is quoted, also where it is no text', () => {
  const parse = () => parseEnvironment({ FLUXMAIL_PASSWORD: 12345 as never })
  expect(parse).toThrow(/FLUXMAIL_PASSWORD must be a text, and is not a text/)
})
