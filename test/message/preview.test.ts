import { describe, expect, test } from 'vitest'
import { type EmailContext, parseEmailFields } from '../../src/message/email.js'
import { previewEmail } from '../../src/message/preview.js'

const context: EmailContext = {
  defaultSender: { name: 'Shop', address: 'shop@example.com' },
  readFile: (path) => Buffer.alloc(path.includes('logo') ? 512 : 12_345),
  now: () => Date.UTC(2026, 4, 1, 12),
  randomId: () => 'unique-1',
  maxAttachmentBytes: 1_000_000,
}
const partsOf = (fields: object) =>
  parseEmailFields({ subject: 'Grüße', recipients: ['ada@example.com'], body: 'Hi', ...fields }, context)

describe('the preview', () => {
  test('of a plain email shows headers, envelope and text', () => {
    expect(previewEmail(partsOf({}))).toBe(`--- Headers ---
From: Shop <shop@example.com>
To: ada@example.com
Subject: Grüße
Date: Fri, 01 May 2026 12:00:00 +0000
Message-ID: <unique-1@example.com>

--- Envelope ---
from <shop@example.com>
to   <ada@example.com>

--- Text ---
Hi
`)
  })

  test('of an email with everything shows everything once, and files without their bytes', () => {
    const parts = partsOf({
      recipients: ['"Lovelace, Ada" <ada@example.com>', 'bob@example.com'],
      cc: ['carol@example.com'],
      bcc: ['Dan <dan@example.com>', 'ada@example.com'],
      replyTo: ['help@example.com'],
      body: '<p>Hi</p>\n',
      htmlBody: true,
      plainBody: 'Hi',
      inlineCss: true,
      attachments: ['/report.pdf', { filename: 'note.txt', content: 'x' }],
      inlineImages: { logo: '/logo.png' },
      inReplyTo: '<q@x.io>',
      references: ['<p@x.io>', '<q@x.io>'],
      priority: 'low',
      unsubscribeUrl: 'https://example.com/u',
      headers: { 'X-Campaign': 'may' },
    })
    expect(previewEmail(parts)).toBe(`--- Headers ---
From: Shop <shop@example.com>
To: "Lovelace, Ada" <ada@example.com>, bob@example.com
Cc: carol@example.com
Reply-To: help@example.com
Subject: Grüße
Date: Fri, 01 May 2026 12:00:00 +0000
Message-ID: <unique-1@example.com>
In-Reply-To: <q@x.io>
References: <p@x.io> <q@x.io>
X-Priority: 5
Importance: Low
X-MSMail-Priority: Low
List-Unsubscribe: <https://example.com/u>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
X-Campaign: may

--- Envelope ---
from <shop@example.com>
to   <ada@example.com>
to   <bob@example.com>
to   <carol@example.com>
to   <dan@example.com>

--- Text ---
Hi

--- HTML (its style rules are inlined when it is sent) ---
<p>Hi</p>

--- Inline images ---
cid:logo  logo.png  image/png  512 bytes

--- Attachments ---
report.pdf  application/pdf  12.3 kB
note.txt  text/plain; charset=utf-8  1 byte
`)
  })

  test('never names Bcc, nor its display names', () => {
    const preview = previewEmail(partsOf({ bcc: ['Secret Dan <dan@example.com>'] }))
    expect(preview).not.toMatch(/bcc|secret/i)
    expect(preview).toContain('to   <dan@example.com>')
  })

  test('shows a text that was derived from the HTML when the email has none of its own', () => {
    const html = partsOf({ body: '<p>Hi</p>', htmlBody: true })
    expect(previewEmail(html)).not.toContain('--- Text ---')
    expect(previewEmail(html, { derivedText: 'Hi' })).toContain('--- Text ---\nHi\n')
    const own = partsOf({ body: '<p>Hi</p>', htmlBody: true, plainBody: 'Own' })
    expect(previewEmail(own, { derivedText: 'Hi' })).toContain('--- Text ---\nOwn\n')
  })

  test('holds nothing that a terminal would obey', () => {
    const preview = previewEmail(partsOf({ body: 'a\u001b[2J\r\nb\tc\u0007\rd\u009b' }))
    expect(preview).toContain('a\u{fffd}[2J\nb\tc\u{fffd}\nd\u{fffd}\n')
  })
})
