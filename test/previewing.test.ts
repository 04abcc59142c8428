import { simpleParser } from 'mailparser'
import { expect, onTestFinished, test } from 'vitest'
import { type EmailFields, FluxMail } from '../src/index.js'
import { openSink } from '../src/sink/sink.js'

const least = { subject: 'Hi', body: 'Hello', recipients: ['ada@example.com'] }
const mail = new FluxMail({ host: 'nowhere.invalid', sender: 'shop@example.com' })
const preview = async (fields: Partial<EmailFields>) => mail.create({ ...least, ...fields }).display()

test('display shows the text part that the message of an HTML email will have', async () => {
  const body = '<style>p { color: red }</style><h1>Hällo</h1><p>See <a href="https://x.io/a">there</a></p>'
  for (const inlineCss of [false, true]) {
    const email = mail.create({ ...least, body, htmlBody: true, inlineCss })
    const { text = '' } = await simpleParser(email.toMime())
    expect(text).toContain('See there [https://x.io/a]')
    expect(await email.display()).toContain(`--- Text ---\n${text.trimEnd()}\n\n--- HTML`)
  }
})

test('display shows the text of an HTML email that has its own', async () => {
  const shown = await preview({ body: '<p>HTML</p>', htmlBody: true, plainBody: 'Own words' })
  expect(shown).toContain('--- Text ---\nOwn words\n\n--- HTML ---\n<p>HTML</p>\n')
})

test('display names Bcc in the envelope and nowhere else', async () => {
  const shown = await preview({ bcc: ['Eve <eve@example.com>'] })
  const [headers, envelope = ''] = shown.split('--- Envelope ---')
  expect(headers).not.toMatch(/bcc|eve/i)
  expect(envelope).toContain('to   <eve@example.com>')
})

test('display shows files by name, type and size, and never their base64', async () => {
  const content = Buffer.from('attached bytes '.repeat(100))
  const shown = await preview({
    body: '<img src="cid:logo">',
    htmlBody: true,
    attachments: [{ filename: 'report ü.pdf', content }],
    inlineImages: { logo: { content, contentType: 'image/png' } },
  })
  expect(shown).toContain('--- Attachments ---\nreport ü.pdf  application/pdf  1.5 kB\n')
  expect(shown).toContain('--- Inline images ---\ncid:logo  logo  image/png  1.5 kB\n')
  expect(shown).not.toContain(content.toString('base64').slice(0, 40))
})

test('a preview that cannot be made is display_failed, from display and from a dry run', async () => {
  const email = mail.create({ ...least, body: `${'<div>'.repeat(20_000)}x`, htmlBody: true })
  const refusal = {
    name: 'FluxMailError',
    code: 'display_failed',
    cause: expect.objectContaining({ code: 'invalid_params' }),
  }
  expect(() => email.display()).toThrow(expect.objectContaining(refusal))
  await expect(email.send({ dryRun: true })).rejects.toMatchObject(refusal)
})

test('a dry run is what display shows, and opens no connection', async () => {
  const sink = await openSink({ httpPort: false })
  onTestFinished(() => sink.close())
  await using own = new FluxMail({ host: '127.0.0.1', port: sink.smtpPort, sender: 'shop@example.com' })
  const email = own.create({ ...least, bcc: ['eve@example.com'] })
  const result = await email.send({ dryRun: true })
  expect(result).toEqual({
    messageId: email.messageId,
    accepted: [],
    rejected: [],
    response: '',
    relay: '127.0.0.1',
    attempts: 0,
    preview: email.display(),
  })
  expect(sink.connections).toBe(0)
})
