import { describe, expect, it } from 'vitest'
import { bundleBatchContent } from '../../src/content/batch-content.js'
import { readFileLimited } from '../../src/content/read-file.js'
import { EmailTemplate } from '../../src/content/template.js'
import { refused } from './refused.js'

const good = { subject: 'Hi {{ name }}', html: '<p>{{ name }}</p>', sender: 'News <news@example.com>' }

function bundle(content: unknown) {
  return bundleBatchContent(content, readFileLimited, 1000)
}

describe('the content of a batch', () => {
  it('is plain JSON with files by hash', () => {
    const { content, files } = bundle({
      ...good,
      replyTo: 'reply@example.com',
      headers: { 'X-Segment': '{{ segment }}' },
      attachments: [{ filename: 'a.txt', content: 'text' }],
      inlineImages: { logo: { content: 'x', contentType: 'image/png' } },
      unsubscribeUrl: 'https://example.com/u/{{ id }}',
      inlineCss: true,
    })
    expect(JSON.parse(JSON.stringify(content))).toEqual(content)
    expect(content).toMatchObject({ kind: 'template', autoescape: true, inlineCss: true, html: good.html })
    expect(content.attachments[0]).toMatchObject({ filename: 'a.txt', size: 4, hash: files[0]?.hash })
    expect(files).toHaveLength(2)
  })

  it('has one hash, whatever the order of its fields, and another for every change', () => {
    const { hash } = bundle(good)
    expect(bundle({ sender: good.sender, html: good.html, subject: good.subject }).hash).toBe(hash)
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    for (const change of [
      { subject: 'Ho' },
      { text: 't' },
      { html: new EmailTemplate(good.html, { autoescape: false }) },
    ]) {
      expect(bundle({ ...good, ...change }).hash).not.toBe(hash)
    }
  })

  it('takes templates ready-made, with their escaping and strictness', () => {
    const html = new EmailTemplate('<p>{{ name }}</p>', { autoescape: false, strict: true })
    expect(bundle({ ...good, html }).content).toMatchObject({
      html: html.source,
      autoescape: false,
      strict: true,
    })
  })

  it.each([
    ['no subject', { subject: undefined }, 'invalid_params'],
    ['no body', { html: undefined }, 'invalid_params'],
    ['no sender', { sender: undefined }, 'sender_required'],
    ['a wrong sender', { sender: 'a@x.io, b@y.io' }, 'invalid_email'],
    ['an unknown field', { body: 'x' }, 'invalid_params'],
    ['a body that is no string', { html: 7 }, 'invalid_params'],
    ['a subject of two lines', { subject: 'a\r\nBcc: b@x.io' }, 'invalid_header'],
    ['a header of ours', { headers: { Bcc: 'b@x.io' } }, 'invalid_header'],
    ['a header of two lines', { headers: [{ name: 'X-A', value: 'a\nb' }] }, 'invalid_header'],
    ['a header that is no template', { headers: { 'X-A': 7 } }, 'invalid_params'],
    ['an unsubscribe link without TLS', { unsubscribeUrl: 'http://example.com' }, 'invalid_params'],
    [
      'images without HTML',
      { html: undefined, text: 'x', inlineImages: { a: { content: 'x', contentType: 'image/png' } } },
      'invalid_params',
    ],
    ['a subject with a mistake', { subject: '{{ name' }, 'template_error'],
    ['HTML with a mistake', { html: '<p>{% if x %}</p>' }, 'template_error'],
    ['text with a mistake', { text: '{{ x | nosuch }}' }, 'template_error'],
    ['a header with a mistake', { headers: { 'X-A': '{{ x' } }, 'template_error'],
    ['an unsubscribe link with a mistake', { unsubscribeUrl: 'https://x.io/{{ id' }, 'template_error'],
    [
      'styles that cannot be inlined',
      { html: '<style>{% if a %}p{}{% endif %}</style>', inlineCss: true },
      'css_inline_failed',
    ],
    ['a missing file', { attachments: ['/nonexistent/file.pdf'] }, 'attachment_not_found'],
    [
      'files over the limit',
      { attachments: [{ filename: 'a.txt', content: 'x'.repeat(1001) }] },
      'attachment_too_large',
    ],
  ])('with %s is refused before the first row', (_, change, code) => {
    expect(refused(() => bundle({ ...good, ...change })).code).toBe(code)
  })

  it('that is no object is refused', () => {
    for (const input of [undefined, null, 'x', []])
      expect(refused(() => bundle(input)).code).toBe('invalid_params')
  })
})
