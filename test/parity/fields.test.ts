import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressObject } from 'mailparser'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Email } from '../../src/index.js'
import { refusalOf } from '../message/refusal.js'
import { letter, openPost, rawHeader } from './received.js'

const post = openPost()
const html = { htmlBody: true, body: '<p>Dear <b>Ada</b>, see <a href="https://x.io/a">this</a></p>' }
const png = Buffer.from('89504e470d0a1a0a', 'hex')
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fluxmail-parity-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function addresses(object: AddressObject | AddressObject[] | undefined): (string | undefined)[] {
  return [object ?? []].flat().flatMap(({ value }) => value.map(({ address }) => address))
}

function codeOf(fields: object): string {
  return refusalOf(() => post.mailer().create({ ...letter, ...fields } as never)).code
}

test('create() gives a new immutable email each time and leaves the mailer as it was', () => {
  const mail = post.mailer()
  const first = mail.create(letter)
  const second = mail.create({ ...letter, subject: 'Second' })
  expect([first, second].map((email) => email instanceof Email && Object.isFrozen(email))).toEqual([
    true,
    true,
  ])
  expect([first.parts.subject, second.parts.subject]).toEqual(['Hi', 'Second'])
  expect(() => Object.assign(first, { messageId: 'x' })).toThrow(TypeError)
})

test('send(fields) is create and send in one', async () => {
  const { mail, result } = await post.send({ subject: 'In one' })
  expect([mail.subject, result.accepted]).toEqual(['In one', ['ada@example.com']])
})

test.each([[undefined], [null]])('send(%s) is not_created', async (nothing) => {
  const sent = post.mailer().send(nothing as never)
  await expect(sent).rejects.toMatchObject({ code: 'not_created', name: 'FluxMailError' })
})

test('subject: arrives as given; empty, CR, LF and control characters are refused', async () => {
  expect((await post.send({ subject: 'Grüße, 世界 👋🏽' })).mail.subject).toBe('Grüße, 世界 👋🏽')
  expect(codeOf({ subject: '' })).toBe('invalid_params')
  for (const subject of ['a\r\nBcc: eve@evil.io', 'a\nb', 'a\rb', 'a\0', 'a\u0007']) {
    expect(codeOf({ subject })).toBe('invalid_header')
  }
})

test('recipients: an array of addresses or of { name, address }, and not empty', async () => {
  const { mail, message } = await post.send({
    recipients: ['ada@example.com', { name: 'Grace Hopper', address: 'grace@example.com' }],
  })
  expect(mail.to).toMatchObject({ value: [{ address: 'ada@example.com' }, { name: 'Grace Hopper' }] })
  expect(message.to).toEqual(['grace@example.com'])
  expect(codeOf({ recipients: [] })).toBe('invalid_params')
  expect(codeOf({ recipients: 'ada@example.com' })).toBe('invalid_params')
})

test('body: text as it is, and HTML with htmlBody', async () => {
  const text = await post.send({ body: '<p>not HTML</p>' })
  expect([text.mail.text?.trim(), text.mail.html]).toEqual(['<p>not HTML</p>', false])
  const page = await post.send(html)
  expect(page.mail.html).toContain('Dear <b>Ada</b>')
  expect(rawHeader(page.source, 'Content-Type')).toMatch(/^multipart\/alternative/)
})

test('plainBody: stands beside the HTML; left out, a text is derived from it', async () => {
  expect((await post.send({ ...html, plainBody: 'By hand' })).mail.text?.trim()).toBe('By hand')
  expect((await post.send(html)).mail.text?.trim()).toBe('Dear Ada, see this [https://x.io/a]')
})

test('sender, replyTo, cc and bcc: Bcc is in the envelope and never in the message', async () => {
  const from = post.sink.messages.length
  const { mail, source } = await post.send({
    sender: 'Shop <shop@example.com>',
    replyTo: 'help@example.com',
    cc: ['cy@example.com'],
    bcc: ['hidden@example.com'],
  })
  expect(mail.from?.text).toBe('"Shop" <shop@example.com>')
  expect(addresses(mail.replyTo)).toEqual(['help@example.com'])
  expect(addresses(mail.cc)).toEqual(['cy@example.com'])
  const copies = post.sink.messages.slice(from)
  expect(copies.flatMap(({ to }) => to).sort()).toEqual([
    'ada@example.com',
    'cy@example.com',
    'hidden@example.com',
  ])
  expect(copies.map(({ from: sender }) => sender)).toEqual(Array(3).fill('shop@example.com'))
  for (const { bytes } of copies) expect(bytes.toString()).not.toMatch(/hidden|^bcc:/im)
  expect(source).toContain('Cc: cy@example.com')
  const several = await post.send({ replyTo: ['help@example.com', 'Boss <boss@example.com>'] })
  expect(addresses(several.mail.replyTo)).toEqual(['help@example.com', 'boss@example.com'])
})

test('attachments: paths or content, typed by name, arrive byte for byte', async () => {
  const pdf = Buffer.from(Array.from({ length: 999 }, (_, index) => index % 256))
  const { mail } = await post.send({
    attachments: [
      file('report.pdf', pdf),
      { filename: 'grüße.csv', content: 'a;b' },
      { filename: 'data.bin', content: new Uint8Array([1, 2, 3]), contentType: 'application/x-own' },
      { path: file('x.txt', 'text'), filename: 'renamed.txt' },
    ],
  })
  expect(mail.attachments.map(({ filename, contentType }) => [filename, contentType])).toEqual([
    ['report.pdf', 'application/pdf'],
    ['grüße.csv', 'text/csv'],
    ['data.bin', 'application/x-own'],
    ['renamed.txt', 'text/plain'],
  ])
  expect(mail.attachments[0]?.content.equals(pdf)).toBe(true)
  expect(mail.attachments[2]?.content).toEqual(Buffer.from([1, 2, 3]))
})

test('attachments: a file is read once, when the email is created', async () => {
  const path = file('once.txt', 'first')
  const email = post.mailer().create({ ...letter, attachments: [path] })
  rmSync(path)
  await email.send()
  expect(post.sink.messages.at(-1)?.bytes.toString()).toContain(Buffer.from('first').toString('base64'))
})

test('attachments: missing is attachment_not_found, and what cannot be read as a file is read_error', () => {
  expect(codeOf({ attachments: [join(folder, 'none.pdf')] })).toBe('attachment_not_found')
  expect(codeOf({ attachments: [{ path: folder, filename: 'a.pdf' }] })).toBe('read_error')
  expect(codeOf({ attachments: [{ path: '/dev/null', filename: 'a.pdf' }] })).toBe('read_error')
})

test('attachments: 25 MB an email by default, and another limit where one is set', () => {
  const half = Buffer.alloc(13 * 1024 * 1024)
  const twice = ['a', 'b'].map((filename) => ({ filename, content: half }))
  const error = refusalOf(() => post.mailer().create({ ...letter, attachments: twice }))
  expect([error.code, error.details.field]).toEqual(['attachment_too_large', 'attachments[1]'])
  expect(error.message).toContain(`of ${25 * 1024 * 1024} are left`)
  const path = file('large.bin', Buffer.alloc(11))
  const small = post.mailer({ maxAttachmentBytes: 10 })
  expect(refusalOf(() => small.create({ ...letter, attachments: [path] })).code).toBe('attachment_too_large')
})

test('inlineImages: paths or bytes under their cid, and refused without HTML', async () => {
  const { mail, source } = await post.send({
    ...html,
    body: '<img src="cid:logo"><img src="cid:dot">',
    inlineImages: { logo: file('logo.png', png), dot: png },
  })
  expect(mail.attachments.map(({ cid, contentType }) => [cid, contentType])).toEqual([
    ['logo', 'image/png'],
    ['dot', 'image/png'],
  ])
  expect(rawHeader(source, 'Content-Type')).toMatch(/^multipart\/related/)
  expect(codeOf({ inlineImages: { logo: png } })).toBe('invalid_params')
})

test('inReplyTo and references: Message-IDs of a thread, one reference a line', async () => {
  const references = ['<1@example.com>', '<2@example.com>', `<${'x'.repeat(200)}@example.com>`]
  const { mail, source } = await post.send({ inReplyTo: '2@example.com', references })
  expect(mail.inReplyTo).toBe('<2@example.com>')
  expect(mail.references).toEqual(references)
  expect(rawHeader(source, 'References')).toBe(references.join('\r\n '))
})

test.each([
  ['high', '1', 'High'],
  ['normal', '3', 'Normal'],
  ['low', '5', 'Low'],
] as const)(
  'priority: %s is X-Priority %s, Importance and X-MSMail-Priority %s',
  async (priority, number, word) => {
    const { source } = await post.send({ priority })
    const headers = ['X-Priority', 'Importance', 'X-MSMail-Priority'].map((name) => rawHeader(source, name))
    expect(headers).toEqual([number, word, word])
  },
)

test('priority: anything else is invalid_priority', () => {
  for (const priority of ['HIGH', 'urgent', '', 1]) expect(codeOf({ priority })).toBe('invalid_priority')
})

test('unsubscribeUrl: one click by RFC 8058, https only, never on a line over 998 octets', async () => {
  const unsubscribeUrl = 'https://example.com/u?id=1&x=%20'
  const { source } = await post.send({ unsubscribeUrl })
  expect(rawHeader(source, 'List-Unsubscribe')).toBe(`<${unsubscribeUrl}>`)
  expect(rawHeader(source, 'List-Unsubscribe-Post')).toBe('List-Unsubscribe=One-Click')
  for (const url of ['http://example.com/u', 'mailto:u@example.com', 'ftp://x.io', 'https:', 'nonsense']) {
    expect(codeOf({ unsubscribeUrl: url })).toBe('invalid_params')
  }
  const room = 998 - 'List-Unsubscribe: <>'.length
  const longest = `https://example.com/${'x'.repeat(room - 20)}`
  expect((await post.send({ unsubscribeUrl: longest })).source).toContain(
    `\r\nList-Unsubscribe: <${longest}>\r\n`,
  )
  expect(codeOf({ unsubscribeUrl: `${longest}x` })).toBe('invalid_header')
})

test('inlineCss: rules go into the elements, media and hover stay, and without HTML it is skipped', async () => {
  const style = 'p { color: red } a:hover { color: blue } @media (max-width: 9px) { p { color: green } }'
  const { mail } = await post.send({
    htmlBody: true,
    inlineCss: true,
    body: `<html><head><style>${style}</style></head><body><p>Hi</p></body></html>`,
  })
  expect(mail.html).toMatch(/<p style="color: red;?">/)
  expect(mail.html).toMatch(/<style>[^<]*:hover[^<]*@media/s)
  expect((await post.send({ inlineCss: true })).mail.text?.trim()).toBe('Hello')
})

test('inlineCss: what cannot be inlined is css_inline_failed', async () => {
  const body = `<style>p { color: red }</style>${'<p><b>'.repeat(20_000)}`
  const sent = post.mailer().send({ ...letter, htmlBody: true, inlineCss: true, body })
  await expect(sent).rejects.toMatchObject({ code: 'css_inline_failed' })
})

test('headers, messageId and date: taken as given, and never a header that is ours', async () => {
  const date = new Date('2026-11-22T10:00:00Z')
  const { mail, source } = await post.send({
    headers: { 'X-Campaign': 'spring' },
    messageId: '<own@example.org>',
    date,
  })
  expect(rawHeader(source, 'X-Campaign')).toBe('spring')
  expect([mail.messageId, mail.date]).toEqual(['<own@example.org>', date])
  for (const name of ['From', 'Bcc', 'Message-ID', 'Content-Type', 'DKIM-Signature', 'List-Unsubscribe']) {
    expect(codeOf({ headers: { [name]: 'x' } })).toBe('invalid_header')
  }
})

test('every message has a Date of now and a Message-ID in the domain of its sender, not of this machine', async () => {
  const from = Math.floor(Date.now() / 1000) * 1000
  const { mail } = await post.send({ sender: 'x@sub.example.org' })
  expect(mail.messageId).toMatch(/^<[0-9a-f]{32}@sub\.example\.org>$/)
  expect(mail.date?.getTime()).toBeGreaterThanOrEqual(from)
  expect(mail.date?.getTime()).toBeLessThanOrEqual(Date.now())
})

test('create({ sender }) wins over the mailer, and without any there is sender_required', async () => {
  expect((await post.send({ sender: 'own@example.com' })).message.from).toBe('own@example.com')
  expect(refusalOf(() => post.mailer({ sender: undefined }).create(letter)).code).toBe('sender_required')
})

test('a field that does not exist is refused with the name that was meant', () => {
  for (const [wrong, right] of [
    ['to', 'recipients'],
    ['html_body', 'htmlBody'],
    ['plain_body', 'plainBody'],
    ['reply_to', 'replyTo'],
    ['inline_css', 'inlineCss'],
  ] as const) {
    const error = refusalOf(() => post.mailer().create({ ...letter, [wrong]: 'x' } as never))
    expect([error.code, error.message]).toEqual([
      'invalid_params',
      expect.stringContaining(`Did you mean ${right}?`),
    ])
  }
})
