import fc from 'fast-check'
import { type AddressObject, simpleParser } from 'mailparser'
import { describe, expect, it } from 'vitest'
import { bundleBatchContent } from '../../src/content/batch-content.js'
import { compileContent, parseContent } from '../../src/content/compile.js'
import type { ContentBundle } from '../../src/content/content.js'
import { bundleEmail } from '../../src/content/email-content.js'
import { readFileLimited } from '../../src/content/read-file.js'
import { FluxMailError } from '../../src/errors.js'
import { parseEmailFields } from '../../src/message/email.js'
import { requireSendable } from '../../src/message/sendable.js'
import { anyText, brokenRules, fileName, lineText, readHeader, withLineFeeds } from './mail-strings.js'

const context = {
  readFile: readFileLimited,
  now: () => Date.UTC(2026, 10, 22),
  randomId: () => 'unique',
  maxAttachmentBytes: 1_000_000,
}
const someone = {
  to: { address: 'ada@example.com' },
  variables: {},
  messageId: () => '<1@example.com>',
  date: new Date(0),
}

function compileBundle(bundle: ContentBundle) {
  const content = parseContent(JSON.parse(JSON.stringify(bundle.content)))
  const files = new Map(bundle.files.map((file) => [file.hash, file.content]))
  return compileContent(content, (hash) => files.get(hash) ?? Buffer.alloc(0))
}

function names(address: AddressObject | AddressObject[] | undefined): string[] {
  const objects = address === undefined ? [] : Array.isArray(address) ? address : [address]
  return objects.flatMap((object) => object.value.map((value) => `${value.name}|${value.address}`))
}

function parse(bytes: Buffer) {
  return simpleParser(bytes, { keepCidLinks: true, skipTextToHtml: true })
}

// The parser tells an empty part in several ways.
const someText = anyText.filter((text) => text.trim() !== '')
const displayName = lineText.filter((name) => name.length <= 200)

describe('a message read back by another parser', () => {
  it('has the subject, names, headers, bodies and files that were asked for', async () => {
    const email = fc.record({
      subject: lineText,
      senderName: displayName,
      toName: displayName,
      text: someText,
      html: someText,
      file: fileName,
      fileBytes: fc.uint8Array({ maxLength: 300 }),
      header: lineText,
    })
    await fc.assert(
      fc.asyncProperty(email, async (asked) => {
        const parts = parseEmailFields(
          {
            subject: asked.subject,
            sender: { name: asked.senderName, address: 'sender@example.com' },
            recipients: [{ name: asked.toName, address: 'ada@example.com' }, 'bob@example.com'],
            cc: ['cy@example.com'],
            bcc: ['hidden@example.com'],
            body: asked.html,
            htmlBody: true,
            plainBody: asked.text,
            headers: { 'X-Fuzz': asked.header },
            attachments: [{ filename: asked.file, content: asked.fileBytes }],
            inlineImages: {
              logo: { content: asked.fileBytes, contentType: 'image/png', filename: asked.file },
            },
          },
          context,
        )
        const { bytes } = compileBundle(bundleEmail(requireSendable(parts, 'outlook_no_async'))).render(
          someone,
        )
        expect(brokenRules(bytes)).toEqual([])
        expect(bytes.includes('hidden@example.com')).toBe(false)
        const mail = await parse(bytes)
        expect(mail.subject).toBe(asked.subject)
        expect(names(mail.from)).toEqual([`${asked.senderName}|sender@example.com`])
        expect(names(mail.to)).toEqual([`${asked.toName}|ada@example.com`, '|bob@example.com'])
        expect(names(mail.cc)).toEqual(['|cy@example.com'])
        expect(mail.bcc).toBeUndefined()
        expect(readHeader(bytes, 'X-Fuzz')).toBe(asked.header)
        expect(mail.text).toBe(withLineFeeds(asked.text))
        expect(mail.html).toBe(withLineFeeds(asked.html))
        expect(mail.attachments.map(({ filename, cid }) => [filename, cid])).toEqual([
          [asked.file, 'logo'],
          [asked.file, undefined],
        ])
        for (const { content } of mail.attachments) expect([...content]).toEqual([...asked.fileBytes])
      }),
      { numRuns: 300 },
    )
  })

  it('has what the variables of a row were, and nothing that they tried to add', async () => {
    const { content, files, hash } = bundleBatchContent(
      {
        subject: 'For {{ value }}',
        html: '<p>{{ value }}</p>',
        text: 'To {{ value }}.',
        sender: 'sender@example.com',
        headers: { 'X-Value': '{{ value }}' },
        attachments: [{ filename: 'a.txt', content: 'fixed' }],
      },
      readFileLimited,
      1000,
    )
    const compiled = compileBundle({ content, files, hash })
    await fc.assert(
      fc.asyncProperty(lineText, displayName, async (value, name) => {
        const to = { name, address: 'ada@example.com' }
        const { bytes } = compiled.render({ ...someone, to, variables: { value } })
        expect(brokenRules(bytes)).toEqual([])
        const mail = await parse(bytes)
        expect(mail.subject).toBe(`For ${value}`)
        expect(names(mail.to)).toEqual([`${name}|ada@example.com`])
        expect(readHeader(bytes, 'X-Value')).toBe(value)
        expect(mail.text).toBe(`To ${value}.`)
        const escaped = value.replace(/[&"'<>]/g, (character) => `&#${character.charCodeAt(0)};`)
        const entities: Record<string, string> = {
          '&#38;': '&amp;',
          '&#34;': '&quot;',
          '&#60;': '&lt;',
          '&#62;': '&gt;',
        }
        expect(mail.html).toBe(
          `<p>${escaped.replace(/&#(?:38|34|60|62);/g, (one) => entities[one] ?? one)}</p>`,
        )
        expect(mail.attachments.map(({ content: bytesOf }) => bytesOf.toString())).toEqual(['fixed'])
      }),
      { numRuns: 300 },
    )
  })

  it('is either well formed or refused for that recipient, whatever string a row holds', () => {
    const bundle = bundleBatchContent(
      {
        subject: '{{ value }}',
        html: '{{ value }}',
        sender: 'sender@example.com',
        headers: { 'X-A': '{{ value }}' },
      },
      readFileLimited,
      1000,
    )
    const compiled = compileBundle(bundle)
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: fc.integer({ min: 0xd7f0, max: 0xe010 }).map((code) => String.fromCharCode(code)) }),
      anyText,
      fc.constantFrom(
        'a\r\nBcc: x@y.io',
        'a\nX: y',
        'a\rb',
        'a\u2028b',
        'x'.repeat(2000),
        ' ',
        '\r\n\r\n<b>',
      ),
    )
    fc.assert(
      fc.property(hostile, hostile, (value, name) => {
        try {
          const to = { name, address: 'ada@example.com' }
          const { bytes } = compiled.render({ ...someone, to, variables: { value } })
          expect(brokenRules(bytes)).toEqual([])
        } catch (error) {
          if (!(error instanceof FluxMailError)) throw error
          expect(['invalid_header', 'invalid_params', 'template_error']).toContain(error.code)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
