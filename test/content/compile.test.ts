import { simpleParser } from 'mailparser'
import { describe, expect, it } from 'vitest'
import { type BatchContent, bundleBatchContent } from '../../src/content/batch-content.js'
import { compileContent, parseContent } from '../../src/content/compile.js'
import type { ContentBundle } from '../../src/content/content.js'
import { bundleEmail } from '../../src/content/email-content.js'
import { readFileLimited } from '../../src/content/read-file.js'
import { type EmailFields, parseEmailFields } from '../../src/message/email.js'
import { requireSendable } from '../../src/message/sendable.js'
import { brokenRules, readHeader } from './mail-strings.js'
import { refused } from './refused.js'

const png = Buffer.from('89504e470d0a1a0a', 'hex')
const input = {
  to: { name: 'Ada', address: 'ada@example.com' },
  variables: { name: 'Ada', id: 'a b' },
  messageId: () => '<1@example.com>',
  date: new Date('2026-11-02T03:04:05Z'),
}

function compile(bundle: ContentBundle) {
  const files = new Map(bundle.files.map((file) => [file.hash, file.content]))
  return compileContent(
    parseContent(JSON.parse(JSON.stringify(bundle.content))),
    (hash) => files.get(hash) ?? Buffer.alloc(0),
  )
}

function batch(change: Partial<BatchContent> = {}) {
  const content = {
    subject: 'Hi {{ name }}',
    html: '<p>{{ name }}</p>',
    sender: 'News <news@example.com>',
    ...change,
  }
  return compile(bundleBatchContent(content, readFileLimited, 1_000_000))
}

function email(change: Partial<EmailFields> = {}) {
  const fields = {
    subject: 'Hi',
    recipients: ['ada@example.com'],
    body: 'Hello',
    sender: 'me@example.com',
    ...change,
  }
  const context = {
    readFile: readFileLimited,
    now: () => 0,
    randomId: () => 'unique',
    maxAttachmentBytes: 1000,
  }
  return compile(bundleEmail(requireSendable(parseEmailFields(fields, context), 'outlook_no_async')))
}

function structure(bytes: Buffer): string[] {
  return [...bytes.toString('latin1').matchAll(/^Content-Type: ([^;\r]+)/gm)].map((match) => match[1] ?? '')
}

describe('the parts of a message', () => {
  it('are laid out as mixed, related and alternative, each only when needed', () => {
    const image = { logo: { content: png } }
    const file = [{ filename: 'a.pdf', content: 'x' }]
    const both = ['text/plain', 'text/html']
    expect(structure(email().render(input).bytes)).toEqual(['text/plain'])
    expect(structure(batch().render(input).bytes)).toEqual(['multipart/alternative', ...both])
    expect(structure(batch({ inlineImages: image }).render(input).bytes)).toEqual([
      'multipart/related',
      'multipart/alternative',
      ...both,
      'image/png',
    ])
    expect(structure(email({ attachments: file }).render(input).bytes)).toEqual([
      'multipart/mixed',
      'text/plain',
      'application/pdf',
    ])
    expect(structure(batch({ inlineImages: image, attachments: file }).render(input).bytes)).toEqual([
      'multipart/mixed',
      'multipart/related',
      'multipart/alternative',
      ...both,
      'image/png',
      'application/pdf',
    ])
  })

  it('are told apart by boundaries that stand in no body, even in one that quotes them', async () => {
    const first = batch({ text: '{{ text }}' })
    const [boundary] = /--=_[\w-]+/.exec(first.render(input).bytes.toString()) ?? []
    const text = `before\n--${boundary}\nContent-Type: text/html\n\n<b>injected</b>\n--${boundary}--\n`
    const { bytes } = first.render({ ...input, variables: { text } })
    const mail = await simpleParser(bytes)
    expect(mail.text).toBe(text)
    expect(mail.html).toBe('<p></p>')
  })

  it('are the same bytes each time for the same recipient', () => {
    expect(batch().render(input).bytes.equals(batch().render(input).bytes)).toBe(true)
  })

  it('carry a file of every size intact', async () => {
    for (const size of [0, 1, 56, 57, 58, 114, 100_000]) {
      const content = Buffer.alloc(size, 'abc')
      const { bytes } = batch({ attachments: [{ filename: 'a.bin', content }] }).render(input)
      expect(brokenRules(bytes)).toEqual([])
      expect((await simpleParser(bytes)).attachments[0]?.content.equals(content)).toBe(true)
    }
  })
})

describe('the headers of a message', () => {
  it('of a batch are those of the recipient', () => {
    const { bytes, messageId } = batch({
      unsubscribeUrl: 'https://example.com/u?id={{ id | urlencode }}',
      headers: { 'X-Name': '{{ name }}', 'X-Empty': '{{ nope }}' },
      replyTo: ['a@example.com', 'b@example.com'],
    }).render(input)
    expect(messageId).toBe('<1@example.com>')
    const headers = bytes.toString().split('\r\n\r\n')[0]?.split('\r\n')
    expect(headers?.slice(0, 11)).toEqual([
      'Date: Mon, 02 Nov 2026 03:04:05 +0000',
      'Message-ID: <1@example.com>',
      'To: Ada <ada@example.com>',
      'From: News <news@example.com>',
      'Reply-To: a@example.com, b@example.com',
      'Subject: Hi Ada',
      'List-Unsubscribe: <https://example.com/u?id=a%20b>',
      'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
      'X-Name: Ada',
      'MIME-Version: 1.0',
      expect.stringContaining('Content-Type: multipart/alternative'),
    ])
  })

  it('of an email are its own, whatever it is rendered with, without Bcc', () => {
    const compiled = email({
      recipients: ['a@example.com', 'b@example.com'],
      cc: ['c@example.com'],
      bcc: ['d@example.com'],
      priority: 'high',
      inReplyTo: '<r@example.com>',
      references: Array.from({ length: 20 }, (_, index) => `<reference-${index}@example.com>`),
      messageId: '<own@example.com>',
      date: new Date('2026-01-01T00:00:00Z'),
    })
    const { bytes, messageId } = compiled.render(input)
    expect(messageId).toBe('<own@example.com>')
    expect(brokenRules(bytes)).toEqual([])
    expect(bytes.includes('d@example.com')).toBe(false)
    expect(readHeader(bytes, 'To')).toBe('a@example.com, b@example.com')
    expect(readHeader(bytes, 'Cc')).toBe('c@example.com')
    expect(readHeader(bytes, 'Date')).toBe('Thu, 01 Jan 2026 00:00:00 +0000')
    expect(readHeader(bytes, 'In-Reply-To')).toBe('<r@example.com>')
    expect(['X-Priority', 'Importance', 'X-MSMail-Priority'].map((name) => readHeader(bytes, name))).toEqual([
      '1',
      'High',
      'High',
    ])
    const references = /^References: [\s\S]*?\r\n(?=\S)/m.exec(bytes.toString())?.[0] ?? ''
    expect(references.trim().split('\r\n ')).toHaveLength(20)
    expect(compiled.render({ ...input, to: { address: 'other@example.com' } }).bytes).toBe(bytes)
  })

  it('say normal and low priority as programs expect it', () => {
    const of = (priority: 'normal' | 'low') => {
      const { bytes } = email({ priority }).render(input)
      return [readHeader(bytes, 'X-Priority'), readHeader(bytes, 'Importance')]
    }
    expect([of('normal'), of('low')]).toEqual([
      ['3', 'Normal'],
      ['5', 'Low'],
    ])
  })

  it('keep a local part in another script as UTF-8', () => {
    const { bytes } = batch().render({ ...input, to: { address: 'δοκιμή@example.com' } })
    expect(bytes.toString()).toContain('To: δοκιμή@example.com\r\n')
  })
})

describe('the text of a message', () => {
  it('is derived from its HTML when none is given', async () => {
    const { bytes } = email({ body: '<h1>Big</h1><p>News &amp; more</p>', htmlBody: true }).render(input)
    expect((await simpleParser(bytes)).text).toBe('Big\n\nNews & more')
    const { bytes: batched } = batch({ html: '<h1>{{ name }}</h1>' }).render({
      ...input,
      variables: { name: 'A<B>&"' },
    })
    expect((await simpleParser(batched)).text).toBe('A<B>&"')
  })

  it('of an email is taken as it is: braces there are no template', async () => {
    const { bytes } = email({ subject: '{{ x }}', body: '{{ y }} {% z %}' }).render(input)
    const mail = await simpleParser(bytes)
    expect([mail.subject, mail.text]).toEqual(['{{ x }}', '{{ y }} {% z %}'])
  })
})

describe('styles', () => {
  it('are inlined for a batch and for an email', () => {
    const html = '<style>p { color: red } @media print { p { color: blue } }</style><p>{{ name }}</p>'
    for (const { bytes } of [
      batch({ html, inlineCss: true, text: 'x' }).render(input),
      email({ body: html, htmlBody: true, inlineCss: true }).render(input),
    ]) {
      expect(bytes.toString()).toMatch(/<p style="color: red;">|<p style=3D"color: red;">/)
      expect(bytes.toString()).toContain('@media print')
    }
  })
})

describe('a recipient whose data cannot be rendered', () => {
  const compiled = batch({
    subject: 'Hi {{ name }}',
    html: '{% for item in items %}{{ item.total.toFixed(2) }}{% endfor %}',
    unsubscribeUrl: 'https://example.com/{{ path }}',
    headers: { 'X-Note': '{{ note }}' },
  })
  const render = (variables: Record<string, unknown>) =>
    compiled.render({ ...input, variables: { name: 'Ada', ...variables } })

  it.each([
    ['a line feed in the subject', { name: 'a\r\nBcc: x@y.io' }, 'invalid_header'],
    ['a tab in a header', { note: 'a\tb' }, 'invalid_header'],
    ['a header line over 998 octets', { note: 'x'.repeat(1200) }, 'invalid_header'],
    ['a space in the unsubscribe link', { path: 'a b' }, 'invalid_header'],
    ['an angle bracket in the unsubscribe link', { path: '>,<mailto:x@y.io' }, 'invalid_header'],
    ['an unsubscribe link over 998 octets', { path: 'x'.repeat(990) }, 'invalid_header'],
    ['a value of the wrong kind', { items: [{ total: 'much' }] }, 'template_error'],
  ])('by %s fails alone', (_, variables, code) => {
    expect(refused(() => render(variables)).code).toBe(code)
    expect(brokenRules(render({ items: [{ total: 1 }] }).bytes)).toEqual([])
  })

  it('by an empty subject is refused', () => {
    const empty = batch({ subject: '{{ nope }}' })
    expect(refused(() => empty.render(input)).code).toBe('invalid_params')
  })

  it('by a strict template is told which variable is missing', () => {
    const bundle = bundleBatchContent(
      { subject: 's', html: '{{ nope }}', sender: 'a@example.com' },
      readFileLimited,
      10,
    )
    const strict = compileContent(parseContent({ ...bundle.content, strict: true }), () => Buffer.alloc(0))
    expect(refused(() => strict.render(input)).message).toBe(
      'template "html", line 1, column 4: "nope" is not defined',
    )
  })
})

describe('a content from Redis', () => {
  const { content } = bundleBatchContent(
    { subject: 's', text: 't', sender: 'a@example.com' },
    readFileLimited,
    10,
  )

  it('is taken as it was stored', () => {
    expect(parseContent(JSON.parse(JSON.stringify(content)))).toEqual(content)
  })

  it.each([
    ['nothing', undefined],
    ['another version', { ...content, v: 2 }],
    ['another kind', { ...content, kind: 'x' }],
    ['no subject', { ...content, subject: undefined }],
    ['a sender with a line feed', { ...content, sender: { address: 'a@x.io\r\nBcc: b@x.io' } }],
    ['a header name with a line feed', { ...content, headers: [{ name: 'X\r\nBcc', value: 'b@x.io' }] }],
    [
      'a file type with a line feed',
      {
        ...content,
        attachments: [{ hash: 'a'.repeat(64), filename: 'a', contentType: 'a/b\r\nX: y', size: 1 }],
      },
    ],
    [
      'a file without a hash',
      { ...content, attachments: [{ hash: '../x', filename: 'a', contentType: 'a/b', size: 1 }] },
    ],
  ])('is refused with %s', (_, value) => {
    expect(refused(() => parseContent(value)).code).toBe('invalid_payload')
  })
})
