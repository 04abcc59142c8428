import fc from 'fast-check'
import { createTransport } from 'nodemailer'
import { describe, expect, it } from 'vitest'
import { type BatchContent, bundleBatchContent } from '../../src/content/batch-content.js'
import { compileContent, parseContent } from '../../src/content/compile.js'
import type { ContentBundle } from '../../src/content/content.js'
import { bundleEmail } from '../../src/content/email-content.js'
import { readFileLimited } from '../../src/content/read-file.js'
import { EmailTemplate } from '../../src/content/template.js'
import { parseEmailFields } from '../../src/message/email.js'
import { requireSendable } from '../../src/message/sendable.js'
import { runProgram } from '../clients/run-program.js'
import { requireProgram } from '../helpers/programs.js'
import { anyText, fileName, lineText, withLineFeeds } from './mail-strings.js'
import { pythonReader, type ReadMessage, readByMailparser } from './read-message.js'

const own = 'X-Fuzz'
const date = new Date('2026-11-22T10:11:12Z')
const messageId = '<1@example.com>'
const unsubscribeUrl = 'https://example.com/u?id=a%20b'
/** A CR alone is a line end to us; Nodemailer writes it out. The parser tells an empty part in several ways. */
const someText = anyText.map(withLineFeeds).filter((text) => text.trim() !== '')
/** Nodemailer lets text that looks like an encoded word stand for what it would mean. */
const headerText = lineText.map((text) => text.replaceAll('=?', '=')).filter((text) => text.trim() === text)
const displayName = headerText.filter((name) => name.length <= 200)

/** Nodemailer writes an asterisk bare where RFC 2231 does not allow it. */
const plainFileName = fileName.filter((name) => !name.includes('*'))
const file = fc.record({
  filename: plainFileName,
  content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  contentType: fc.constantFrom('application/pdf', 'image/png', 'application/octet-stream'),
})
const mail = fc.record({
  subject: headerText,
  senderName: displayName,
  toName: displayName,
  text: someText,
  html: fc.option(someText, { nil: undefined }),
  header: headerText,
  replyTo: fc.boolean(),
  priority: fc.constantFrom('high', 'low', undefined),
  references: fc.boolean(),
  unsubscribes: fc.boolean(),
  attachments: fc.array(file, { maxLength: 2 }),
  image: fc.option(file, { nil: undefined }),
})
type Mail = typeof mail extends fc.Arbitrary<infer Each> ? Each : never

function imageOf({ html, image }: Mail) {
  return html === undefined ? undefined : image
}

const composer = createTransport({ streamTransport: true, buffer: true, newline: 'windows' })

/** What Nodemailer makes of it, every option as its own documentation has it. */
async function composed(asked: Mail, isBatch: boolean): Promise<Buffer> {
  const image = imageOf(asked)
  const { replyTo, references, priority, unsubscribes, html } = asked
  const { message } = await composer.sendMail({
    subject: asked.subject,
    from: { name: asked.senderName, address: 'sender@example.com' },
    to: { name: asked.toName, address: 'ada@example.com' },
    text: asked.text,
    ...(html !== undefined && { html }),
    ...{ date, messageId, disableFileAccess: true, disableUrlAccess: true },
    ...(replyTo && { replyTo: 'reply@example.com' }),
    ...(!isBatch && { cc: 'cy@example.com' }),
    ...(!isBatch && references && { inReplyTo: '<a@b.c>', references: ['<a@b.c>', '<d@e.f>'] }),
    ...(!isBatch && priority && { priority }),
    headers: {
      [own]: asked.header,
      ...(unsubscribes && { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }),
    },
    ...(unsubscribes && { list: { unsubscribe: unsubscribeUrl } }),
    attachments: [
      ...(image ? [{ ...image, cid: 'logo', contentDisposition: 'inline' as const }] : []),
      ...asked.attachments,
    ],
  })
  if (!Buffer.isBuffer(message)) throw new Error('the composer gave a stream')
  return message
}

function rendered(bundle: ContentBundle, asked: Mail, variables = {}): Buffer {
  const files = new Map(bundle.files.map((each) => [each.hash, each.content]))
  const content = parseContent(JSON.parse(JSON.stringify(bundle.content)))
  return compileContent(content, (hash) => files.get(hash) ?? Buffer.alloc(0)).render({
    to: { name: asked.toName, address: 'ada@example.com' },
    variables,
    messageId: () => messageId,
    date,
  }).bytes
}

/** As a single email. */
function single(asked: Mail): Buffer {
  const image = imageOf(asked)
  const fields = {
    subject: asked.subject,
    sender: { name: asked.senderName, address: 'sender@example.com' },
    recipients: [{ name: asked.toName, address: 'ada@example.com' }],
    cc: ['cy@example.com'],
    bcc: ['hidden@example.com'],
    body: asked.html ?? asked.text,
    htmlBody: asked.html !== undefined,
    ...(asked.html !== undefined && { plainBody: asked.text }),
    ...{ messageId, date, headers: { [own]: asked.header } },
    ...(asked.replyTo && { replyTo: ['reply@example.com'] }),
    ...(asked.references && { inReplyTo: '<a@b.c>', references: ['<a@b.c>', '<d@e.f>'] }),
    ...(asked.priority && { priority: asked.priority }),
    ...(asked.unsubscribes && { unsubscribeUrl }),
    attachments: asked.attachments,
    ...(image && { inlineImages: { logo: image } }),
  }
  const context = {
    readFile: readFileLimited,
    now: () => 0,
    randomId: () => 'unique',
    maxAttachmentBytes: 1_000_000,
  }
  return rendered(bundleEmail(requireSendable(parseEmailFields(fields, context), 'outlook_no_async')), asked)
}

/** As a message of a batch, half of each text in the template and half in a variable. */
function ofBatch(asked: Mail): Buffer {
  const image = imageOf(asked)
  const variables: Record<string, string> = {}
  const template = (name: string, text: string) => {
    const half = text.length >> 1
    variables[name] = text.slice(half)
    // What means something to the template language goes the other way.
    const isTemplate = /[{}#%]|-$/.test(text.slice(0, half))
    if (isTemplate) variables[`${name}_first`] = text.slice(0, half)
    const first = isTemplate ? `{{ ${name}_first }}` : text.slice(0, half)
    return new EmailTemplate(`${first}{{ ${name} }}`, { autoescape: false })
  }
  const content: BatchContent = {
    subject: template('subject', asked.subject),
    text: template('text', asked.text),
    ...(asked.html !== undefined && { html: template('html', asked.html) }),
    sender: { name: asked.senderName, address: 'sender@example.com' },
    headers: { [own]: template('header', asked.header) },
    ...(asked.replyTo && { replyTo: 'reply@example.com' }),
    ...(asked.unsubscribes && { unsubscribeUrl }),
    attachments: asked.attachments,
    ...(image && { inlineImages: { logo: image } }),
  }
  return rendered(bundleBatchContent(content, readFileLimited, 1_000_000), asked, variables)
}

const headers = [own, 'List-Unsubscribe', 'List-Unsubscribe-Post', 'Importance', 'Bcc']
const makers = [
  ['a single email', single, false],
  ['a message of a batch', ofBatch, true],
] as const

describe.each(makers)("%s is what Nodemailer's composer makes", (_, make, isBatch) => {
  it('to mailparser, whatever is in it', async () => {
    await fc.assert(
      fc.asyncProperty(mail, async (asked) => {
        const ours = await readByMailparser(make(asked), headers)
        expect(ours).toEqual(await readByMailparser(await composed(asked, isBatch), headers))
      }),
      { numRuns: 150 },
    )
  })

  it("to Python's email, whatever is in it", async (context) => {
    const python = requireProgram(context, 'python3')
    await fc.assert(
      fc.asyncProperty(fc.array(mail, { minLength: 80, maxLength: 80 }), async (all) => {
        const theirs = await Promise.all(all.map((asked) => composed(asked, isBatch)))
        const read = await readByPython(python, [...all.map(make), ...theirs])
        expect(read.slice(0, all.length)).toEqual(read.slice(all.length))
      }),
      // Each run is a Python of its own: too dear to look for a smaller case.
      { numRuns: 1, endOnFailure: true },
    )
  })
})

async function readByPython(python: string, messages: readonly Buffer[]): Promise<ReadMessage[]> {
  const input = JSON.stringify({ headers, messages: messages.map((each) => each.toString('base64')) })
  const { code, stdout, said } = await runProgram(python, ['-B', '-c', pythonReader], { input })
  if (code !== 0) throw new Error(`Python could not read them: ${said}`)
  return JSON.parse(stdout) as ReadMessage[]
}
