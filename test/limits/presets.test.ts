import { describe, expect, test } from 'vitest'
import { parseConfig, relaySchema } from '../../src/config.js'
import { parseReply } from '../../src/delivery/replies.js'
import { judgeReply } from '../../src/delivery/reply-rules.js'
import { isOneOf } from '../../src/delivery/slower-replies.js'
import { presetNames, presetOptions, presets } from '../../src/limits/presets.js'

const relay = (input: object) => parseConfig(relaySchema, input, 'the relay')
const login = { username: 'ada', password: 'secret' }

describe.each(presetNames)('the preset %s', (preset) => {
  const region = preset === 'ses' ? { region: 'eu-west-1' } : {}

  test('is a relay with its name alone, with TLS for the login', () => {
    const parsed = relay({ preset, ...region, ...login })
    expect(parsed).toMatchObject(presetOptions(presets[preset]))
    expect(parsed.useTls || parsed.useSsl).toBe(true)
    expect(parsed.port).toBe(parsed.useSsl ? 465 : 587)
    expect(parsed.host).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)
  })

  test('says where each of its values is from', () => {
    for (const { page, options } of presets[preset].published) {
      expect(new URL(page).protocol).toBe('https:')
      expect(Object.keys(options)).not.toHaveLength(0)
    }
  })

  test('stands under what is given', () => {
    const own = {
      host: '127.0.0.1',
      port: 2525,
      useTls: false,
      idleMs: 1,
      maxMessagesPerConnection: 2,
      maxConnections: 3,
      maxConnectionsPerWorker: 4,
      ratePerSecond: 5,
      burst: 6,
      perDay: 7,
      slowerReplies: ['421 slower'],
    }
    expect(relay({ preset, ...region, ...own })).toMatchObject({ ...own, useSsl: false })
  })
})

test.each([
  ['ses', { region: 'eu-west-1' }, 'email-smtp.eu-west-1.amazonaws.com'],
  ['ses', { region: 'us-gov-west-1' }, 'email-smtp.us-gov-west-1.amazonaws.com'],
  [
    'ses',
    { host: 'vpce-1.email-smtp.eu-west-1.vpce.amazonaws.com' },
    'vpce-1.email-smtp.eu-west-1.vpce.amazonaws.com',
  ],
  ['mailgun', {}, 'smtp.mailgun.org'],
  ['mailgun', { region: 'eu' }, 'smtp.eu.mailgun.org'],
])('the host of %s with %j is %s', (preset, options, host) => {
  expect(relay({ preset, ...options, ...login }).host).toBe(host)
})

test.each([
  [
    { preset: 'ses' },
    'region: is missing: the host of Amazon SES is that of its region; give one, such as eu-west-1',
  ],
  [{ preset: 'ses', region: 'eu west' }, 'region: must be the name of a region such as eu-west-1'],
  [{ preset: 'ses', region: '*' }, 'region: must be the name of a region such as eu-west-1'],
  [
    { preset: 'mailgun', region: 'mars' },
    'region: mailgun has no such region; give eu, or leave it out for smtp.mailgun.org',
  ],
  [{ preset: 'gmail', region: 'eu' }, 'region: gmail has none: leave it out'],
  [{ host: 'a.example', region: 'eu' }, 'region: goes with a preset, such as ses'],
  [{ preset: 'sendgird' }, 'preset: must be one of ses, gmail, workspace, '],
  [{ preset: 'constructor' }, 'preset: must be one of ses, gmail'],
  [{ preset: 7 }, 'preset: must be one of ses, gmail'],
  [{}, 'host: is missing; name the relay, or a preset'],
  [{ preset: undefined, host: undefined }, 'host: is missing; name the relay, or a preset'],
])('%j is refused, and the message says what to do: %s', (options, message) => {
  expect(() => relay(options)).toThrow(message)
})

test('a region that is none is all that is complained of', () => {
  expect(() => relay({ preset: 'ses', region: 'eu west' })).toThrow(/^the relay is wrong:\n {2}region: .*$/)
})

test('one kind of TLS goes before the other, with its port', () => {
  expect(relay({ preset: 'postmark', useSsl: true })).toMatchObject({ port: 465, useTls: false })
  expect(relay({ preset: 'brevo', useTls: true })).toMatchObject({ port: 587, useSsl: false })
  expect(relay({ preset: 'brevo', useTls: undefined })).toMatchObject({ port: 465, useSsl: true })
  expect(() => relay({ preset: 'postmark', useTls: false, ...login })).toThrow(
    /username: would be sent without TLS/,
  )
})

test.each([
  ['ses', '454 Throttling failure: Maximum sending rate exceeded.'],
  ['ses', '421 Too many concurrent SMTP connections'],
  [
    'gmail',
    '421-4.7.0 Try again later, closing connection. (EHLO)\n421 4.7.0  For more information, go to - gsmtp',
  ],
  ['gmail', '421 4.4.5 Server busy, try again later. - gsmtp'],
  ['workspace', '450 4.2.1 Peak SMTP relay limit exceeded for customer. This is a temporary error. - gsmtp'],
  [
    'microsoft365',
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending',
  ],
  ['microsoft365', '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded; Hostname=a.example'],
] as const)('%s asks for less with %s', (preset, said) => {
  const { slowerReplies = [] } = presetOptions(presets[preset])
  const reply = parseReply(said)
  expect(reply && judgeReply(reply, 'body', slowerReplies)).toBe('slower')
  expect(reply && isOneOf(slowerReplies, reply)).toBe(true)
})

test('a day that is used up is no rate that is too high', () => {
  const { slowerReplies = [] } = presetOptions(presets.ses)
  const reply = parseReply('454 Throttling failure: Daily message quota exceeded.')
  expect(reply && isOneOf(slowerReplies, reply)).toBe(false)
})
