import { describe, expect, test } from 'vitest'
import { Email, type EmailActions, type EmailContext, parseEmailFields } from '../../src/message/email.js'
import { refusalOf } from './refusal.js'

const nowMs = Date.UTC(2026, 4, 1, 12)
const context: EmailContext = {
  defaultSender: { address: 'shop@example.com' },
  readFile: () => Buffer.from('bytes'),
  now: () => nowMs,
  randomId: () => 'unique-1',
  maxAttachmentBytes: 1000,
}
const least = { subject: 'Hello', recipients: ['ada@example.com'], body: 'Hi' }
const parse = (fields: object, other: Partial<EmailContext> = {}) =>
  parseEmailFields({ ...least, ...fields }, { ...context, ...other })

const actions: EmailActions = {
  async send(email, options) {
    return {
      messageId: email.messageId,
      accepted: [],
      rejected: [],
      response: JSON.stringify(options),
      relay: 'r',
      attempts: 1,
    }
  },
  toMime: (email) => Buffer.from(email.messageId),
  display: (email) => `preview of ${email.messageId}`,
  toDraft: async (email, path, { overwrite }) => `${path}: ${email.messageId} ${overwrite}`,
}

describe('the fields of an email', () => {
  test('that are left out have their defaults', () => {
    expect(parse({})).toEqual({
      subject: 'Hello',
      sender: { address: 'shop@example.com' },
      to: [{ address: 'ada@example.com' }],
      cc: [],
      bcc: [],
      replyTo: [],
      text: 'Hi',
      inlineCss: false,
      attachments: [],
      inlineImages: [],
      headers: [],
      references: [],
      messageId: '<unique-1@example.com>',
      date: new Date(nowMs),
    })
  })

  test('are all taken', () => {
    const date = new Date('2026-01-02T03:04:05Z')
    const parts = parse({
      sender: 'Shop <news@shop.example>',
      replyTo: 'help@shop.example',
      cc: ['c@x.io'],
      bcc: [{ name: 'B', address: 'b@x.io' }],
      body: '<p>Hi</p>',
      htmlBody: true,
      plainBody: 'Hi',
      attachments: ['/a.pdf'],
      inlineImages: { logo: '/logo.png' },
      inReplyTo: '<q@x.io>',
      references: ['<p@x.io>', '<q@x.io>'],
      priority: 'high',
      unsubscribeUrl: 'https://shop.example/u',
      inlineCss: true,
      headers: { 'X-Campaign': 'may' },
      messageId: '<own@shop.example>',
      date,
    })
    expect(parts).toMatchObject({
      sender: { name: 'Shop', address: 'news@shop.example' },
      replyTo: [{ address: 'help@shop.example' }],
      cc: [{ address: 'c@x.io' }],
      bcc: [{ name: 'B', address: 'b@x.io' }],
      html: '<p>Hi</p>',
      text: 'Hi',
      attachments: [{ filename: 'a.pdf' }],
      inlineImages: [{ cid: 'logo' }],
      inReplyTo: '<q@x.io>',
      references: ['<p@x.io>', '<q@x.io>'],
      priority: 'high',
      unsubscribeUrl: 'https://shop.example/u',
      inlineCss: true,
      headers: [{ name: 'X-Campaign', value: 'may' }],
      messageId: '<own@shop.example>',
      date,
    })
  })

  test('that are undefined or null are left out', () => {
    expect(parse({ cc: null, sender: undefined, priority: null, date: undefined })).toEqual(parse({}))
  })

  test.each([
    ['reply_to', 'replyTo'],
    ['html_body', 'htmlBody'],
    ['recipient', 'recipients'],
    ['to', 'recipients'],
    ['from', 'sender'],
    ['html', 'body with htmlBody: true'],
    ['text', 'body'],
    ['attachements', 'attachments'],
    ['unsubscribeURL', 'unsubscribeUrl'],
    ['subjct', 'subject'],
  ])('never hold %s, which was meant to be %s', (name, meant) => {
    const refusal = refusalOf(() => parse({ [name]: 'x' }))
    expect(refusal).toMatchObject({ code: 'invalid_params', details: { field: name } })
    expect(refusal.message).toContain(
      `there is no field "${name}". Did you mean ${meant}? Known are subject,`,
    )
  })

  test('never hold what is like no field, and no name is guessed then', () => {
    expect(refusalOf(() => parse({ zzzzzzzz: 1 })).message).not.toContain('Did you mean')
    expect(refusalOf(() => parse(JSON.parse('{"__proto__": 1}'))).code).toBe('invalid_params')
    expect(refusalOf(() => parse({ constructor: 1 })).code).toBe('invalid_params')
  })

  test.each([[undefined], [null], ['hello'], [7], [[least]]])('are an object: %j is none', (input) => {
    expect(refusalOf(() => parseEmailFields(input, context))).toMatchObject({
      code: 'invalid_params',
      details: { field: 'fields' },
    })
  })

  test('are never read from a prototype', () => {
    const inherited = Object.create({ ...least, bcc: ['eve@evil.io'] })
    expect(refusalOf(() => parseEmailFields(inherited, context)).code).toBe('invalid_params')
    expect(parseEmailFields(Object.assign(inherited, least), context).bcc).toEqual([])
  })

  test.each([
    ['subject', { subject: '' }, 'invalid_params'],
    ['subject', { subject: undefined }, 'invalid_params'],
    ['subject', { subject: 'a\nb' }, 'invalid_header'],
    ['recipients', { recipients: [] }, 'invalid_params'],
    ['recipients', { recipients: undefined }, 'invalid_params'],
    ['recipients', { recipients: 'ada@example.com' }, 'invalid_params'],
    ['recipients[0]', { recipients: ['a@x.io, b@y.io'] }, 'invalid_email'],
    ['recipients[1]', { recipients: ['a@x.io', ''] }, 'no_email'],
    ['cc', { cc: 'ada@example.com' }, 'invalid_params'],
    ['cc[0]', { cc: ['ada'] }, 'invalid_email'],
    ['bcc[0]', { bcc: ['ada\r\n@x.io'] }, 'invalid_email'],
    ['sender', { sender: 'ada' }, 'invalid_email'],
    ['sender', { sender: '' }, 'no_email'],
    ['replyTo', { replyTo: 'ada' }, 'invalid_email'],
    ['body', { body: undefined }, 'invalid_params'],
    ['body', { body: 7 }, 'invalid_params'],
    ['htmlBody', { htmlBody: 'false' }, 'invalid_params'],
    ['plainBody', { plainBody: 'x' }, 'invalid_params'],
    ['plainBody', { htmlBody: true, plainBody: 7 }, 'invalid_params'],
    ['inlineImages', { inlineImages: { logo: '/logo.png' } }, 'invalid_params'],
    ['inlineCss', { inlineCss: 1 }, 'invalid_params'],
    ['attachments', { attachments: '/a.pdf' }, 'invalid_params'],
    ['headers', { headers: { Bcc: 'eve@evil.io' } }, 'invalid_header'],
    ['inReplyTo', { inReplyTo: 'x y' }, 'invalid_header'],
    ['references[0]', { references: ['x'] }, 'invalid_header'],
    ['messageId', { messageId: '<a@b>\r\n' }, 'invalid_header'],
    ['priority', { priority: 'urgent' }, 'invalid_priority'],
    ['priority', { priority: 'HIGH' }, 'invalid_priority'],
    ['priority', { priority: 1 }, 'invalid_priority'],
    ['unsubscribeUrl', { unsubscribeUrl: 'http://x.io' }, 'invalid_params'],
    ['date', { date: 'garbage' }, 'invalid_params'],
    ['date', { date: new Date('garbage') }, 'invalid_params'],
    ['date', { date: new Date(Date.UTC(10000, 0)) }, 'invalid_params'],
    ['date', { date: nowMs }, 'invalid_params'],
  ])('%s is refused in %j with %s', (field, fields, code) => {
    const refusal = refusalOf(() => parse(fields))
    expect(refusal).toMatchObject({ code, details: { field } })
    expect(refusal.message.startsWith(`${field}: `)).toBe(true)
  })

  test('name no sender: sender_required', () => {
    const { defaultSender: _, ...without } = context
    expect(refusalOf(() => parseEmailFields(least, without)).code).toBe('sender_required')
    expect(parseEmailFields({ ...least, sender: 'me@x.io' }, without).sender).toEqual({ address: 'me@x.io' })
  })

  test('ask for inlined CSS without HTML: skipped', () => {
    expect(parse({ inlineCss: true }).inlineCss).toBe(false)
  })

  test('may have an empty body', () => {
    expect(parse({ body: '' }).text).toBe('')
  })

  test('share one limit among all files', () => {
    const fields = { htmlBody: true, attachments: ['/a'], inlineImages: { logo: '/logo.png' } }
    expect(parse(fields, { maxAttachmentBytes: 10 }).attachments).toHaveLength(1)
    expect(refusalOf(() => parse(fields, { maxAttachmentBytes: 9 })).code).toBe('attachment_too_large')
  })
})

describe('a new Message-ID', () => {
  test('has the domain of the sender, or the one that is configured', () => {
    expect(parse({ sender: 'Ü <x@Bücher.example>' }).messageId).toBe('<unique-1@xn--bcher-kva.example>')
    expect(parse({}, { domain: 'Mail.Example' }).messageId).toBe('<unique-1@mail.example>')
  })
})

describe('parts', () => {
  test('are frozen to their depths', () => {
    const parts = parse({
      cc: ['c@x.io'],
      headers: { 'X-A': '1' },
      references: ['<a@b>'],
      attachments: ['/a'],
    })
    const open: string[] = []
    visit(parts, 'parts', open)
    expect(open).toEqual([])
    expect(() => Object.assign(parts, { subject: 'other' })).toThrow(TypeError)
  })

  test('never change with the object and the arrays that they came from', () => {
    const fields = {
      ...least,
      recipients: ['ada@example.com'],
      references: ['<a@b>'],
      headers: [{ name: 'X-A', value: '1' }],
      date: new Date(nowMs),
    }
    const parts = parseEmailFields(fields, context)
    const before = structuredClone({ ...parts })
    fields.recipients.push('eve@evil.io')
    fields.references.length = 0
    fields.headers[0] = { name: 'X-B', value: '2' }
    fields.date.setTime(0)
    parts.date.setTime(0)
    expect({ ...parts }).toEqual(before)
    expect(parts.date.getTime()).toBe(nowMs)
  })
})

describe('an Email', () => {
  test('has each normalised address of To, Cc and Bcc once, in order', () => {
    const parts = parse({
      recipients: ['Ada <ada@Example.com>', 'bob@example.com'],
      cc: ['ada@example.com', 'Ada@example.com'],
      bcc: ['carol@bücher.example', 'bob@EXAMPLE.com', 'carol@xn--bcher-kva.example'],
    })
    const email = new Email(parts, actions)
    expect(email.recipients.map(({ address }) => address)).toEqual([
      'ada@example.com',
      'bob@example.com',
      'Ada@example.com',
      'carol@xn--bcher-kva.example',
    ])
    expect(email.recipients[0]?.name).toBe('Ada')
  })

  test('is frozen, and shows nothing of what sends it', () => {
    const email = new Email(parse({}), actions)
    expect(Object.isFrozen(email) && Object.isFrozen(email.recipients)).toBe(true)
    expect(Object.keys(email)).toEqual(['parts', 'recipients'])
  })

  test('is sent, shown and turned into bytes by the actions it was given', async () => {
    const email = new Email(parse({}), actions)
    expect(email.messageId).toBe('<unique-1@example.com>')
    expect(await email.send({ dryRun: true })).toMatchObject({ response: '{"dryRun":true}' })
    expect(await email.send()).toMatchObject({ messageId: email.messageId, response: '{}' })
    expect(email.toMime().toString()).toBe(email.messageId)
    expect(await email.display()).toBe(`preview of ${email.messageId}`)
    expect(await email.toDraft('a.eml')).toBe(`a.eml: ${email.messageId} undefined`)
    expect(await email.toDraft('a.eml', { overwrite: true })).toBe(`a.eml: ${email.messageId} true`)
  })
})

function visit(value: unknown, path: string, open: string[]): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Date)
    return
  if (!Object.isFrozen(value)) open.push(path)
  for (const [name, inner] of Object.entries(value)) visit(inner, `${path}.${name}`, open)
}
