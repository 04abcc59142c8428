import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { describe, expect, test } from 'vitest'
import { type EmailFields, FluxMail } from '../../src/index.js'
import { newFolder } from './stand-in.js'

const least = { subject: 'Hi', body: 'Hello', recipients: ['ada@example.com'] }
const smtp = new FluxMail({ host: 'localhost', sender: 'Shop <shop@example.com>' })
const outlook = new FluxMail({ objectType: 'outlook' })

async function draftOf(
  fields: Partial<EmailFields>,
  mail = outlook,
): Promise<{ text: string; path: string }> {
  const path = join(await newFolder(), 'email.eml')
  await mail.create({ ...least, ...fields }).toDraft(path)
  return { path, text: await readFile(path, 'utf8') }
}

const everything: Partial<EmailFields> = {
  subject: 'Grüße 🎉',
  recipients: ['"Lovelace, Ada" <ada@example.com>', 'bob@bücher.example'],
  cc: ['carol@example.com'],
  bcc: ['Dan Ü <dan@example.com>', 'eve@example.com'],
  replyTo: 'help@example.com',
  body: '<style>p { color: red }</style><p>Hällo</p>',
  htmlBody: true,
  plainBody: 'Hällo, as text',
  inlineCss: true,
  attachments: [{ filename: 'a ü.bin', content: Buffer.from([0, 1, 255]) }],
  inReplyTo: '<q@x.io>',
  references: ['<p@x.io>', '<q@x.io>'],
  priority: 'high',
  unsubscribeUrl: 'https://example.com/u',
  headers: { 'X-Campaign': 'may' },
}

describe('a draft', () => {
  test('carries everything, Bcc among it, and is marked as unsent', async () => {
    const { text } = await draftOf(everything)
    const draft = await simpleParser(text)
    expect(draft.headers.get('x-unsent')).toBe('1')
    expect(draft.subject).toBe('Grüße 🎉')
    expect([draft.to, draft.cc, draft.bcc, draft.replyTo].flat().map((list) => list?.value)).toEqual([
      [
        { name: 'Lovelace, Ada', address: 'ada@example.com' },
        { name: '', address: 'bob@bücher.example' },
      ],
      [{ name: '', address: 'carol@example.com' }],
      [
        { name: 'Dan Ü', address: 'dan@example.com' },
        { name: '', address: 'eve@example.com' },
      ],
      [{ name: '', address: 'help@example.com' }],
    ])
    expect(draft.text).toBe('Hällo, as text')
    expect(draft.html).toContain('<p style="color: red;">Hällo</p>')
    expect(draft.attachments[0]).toMatchObject({ filename: 'a ü.bin', content: Buffer.from([0, 1, 255]) })
    expect(draft.inReplyTo).toBe('<q@x.io>')
    expect(draft.references).toEqual(['<p@x.io>', '<q@x.io>'])
    expect(draft.headers.get('x-campaign')).toBe('may')
    expect(text).toContain('\r\nX-Priority: 1\r\nImportance: High\r\n')
    expect(text).toContain('\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n')
  })

  test('of an email for Outlook has no From and no Message-ID, which Outlook writes', async () => {
    const { text } = await draftOf({ body: 'From: nobody@draft.invalid\nMessage-ID: <x@y>' })
    const header = text.slice(0, text.indexOf('\r\n\r\n'))
    expect(header).not.toMatch(/^(from|message-id|sender):/im)
    expect(text).not.toMatch(/nobody@draft\.invalid(?!\r\nMessage-ID: <x@y>)/)
  })

  test('of an email for Outlook keeps the Message-ID that it was given', async () => {
    expect((await draftOf({ messageId: '<own@example.com>' })).text).toContain(
      '\r\nMessage-ID: <own@example.com>\r\n',
    )
  })

  test('of an SMTP email is its message, with X-Unsent and Bcc', async () => {
    const email = smtp.create({ ...least, bcc: ['eve@example.com'] })
    const path = join(await newFolder(), 'email.eml')
    await email.toDraft(path)
    const message = email.toMime().toString()
    expect(await readFile(path, 'utf8')).toBe(`X-Unsent: 1\r\nBcc: eve@example.com\r\n${message}`)
    expect(message).not.toContain('eve@')
  })

  test('ends every line with CRLF, whatever the body has', async () => {
    const body = fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\r\n', '.', ' ', 'ü') })
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const bytes = outlook
          .create({ ...least, body: text })
          .toMime()
          .toString()
        expect(bytes.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
      }),
      { numRuns: 50 },
    )
  })
})

describe('toDraft', () => {
  test('resolves to the absolute path, also for a relative one', async () => {
    const path = join(await newFolder(), 'email.eml')
    const written = await outlook.create(least).toDraft(relative(process.cwd(), path))
    expect(isAbsolute(written)).toBe(true)
    expect(written).toBe(path)
  })

  test('replaces no file unless asked for, and leaves nothing beside it', async () => {
    const folder = await newFolder()
    const path = join(folder, 'email.eml')
    await writeFile(path, 'mine')
    const email = outlook.create(least)
    const refusal = { code: 'write_error', details: { field: 'path', path } }
    await expect(email.toDraft(path)).rejects.toMatchObject(refusal)
    await expect(email.toDraft(path)).rejects.toThrow(/there is a file already.*overwrite: true/)
    expect(await readFile(path, 'utf8')).toBe('mine')
    await email.toDraft(path, { overwrite: true })
    expect(await readFile(path, 'utf8')).toContain('X-Unsent: 1')
    expect(await readdir(folder)).toEqual(['email.eml'])
  })

  test('of many at once lets one have the name', async () => {
    const folder = await newFolder()
    const emails = Array.from({ length: 10 }, (_, index) =>
      outlook.create({ ...least, subject: `Nr. ${index}` }),
    )
    const ended = await Promise.allSettled(emails.map((email) => email.toDraft(join(folder, 'email.eml'))))
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const winner = ended.findIndex(({ status }) => status === 'fulfilled')
    expect(await readFile(join(folder, 'email.eml'), 'utf8')).toContain(`Nr. ${winner}`)
    expect(await readdir(folder)).toEqual(['email.eml'])
  })

  test('says what is wrong where it cannot write', async () => {
    const folder = await newFolder()
    await mkdir(join(folder, 'there'))
    const email = outlook.create(least)
    for (const path of [join(folder, 'nowhere', 'a.eml'), join(folder, 'there'), '/dev/null/a.eml']) {
      for (const options of [{}, { overwrite: true }])
        await expect(email.toDraft(path, options)).rejects.toMatchObject({ code: 'write_error' })
    }
    expect(await readdir(folder)).toEqual(['there'])
  })

  test('names the folder that is missing, and never the hidden file under which it writes', async () => {
    const folder = join(await newFolder(), 'nowhere')
    const email = outlook.create(least)
    const path = join(folder, 'a.eml')
    await expect(email.toDraft(path)).rejects.toThrow(`path: ${path}: there is no folder ${folder}`)
    await expect(email.toDraft('/dev/null/a.eml')).rejects.toThrow(/^((?!\/\.).)*$/)
  })

  test.skipIf(process.getuid?.() === 0)('says so where it may not write', async () => {
    const folder = await newFolder()
    await chmod(folder, 0o500)
    await expect(outlook.create(least).toDraft(join(folder, 'a.eml'))).rejects.toMatchObject({
      code: 'write_error',
    })
    expect((await stat(folder)).isDirectory()).toBe(true)
  })

  test('refuses what is no path and options that are none', async () => {
    const email = outlook.create(least)
    for (const path of [undefined, null, '', 5, {}, 'a\0b'])
      await expect(email.toDraft(path as never)).rejects.toMatchObject({ code: 'invalid_params' })
    for (const options of [null, 5, { overwrit: true }, { overwrite: 'yes' }])
      await expect(email.toDraft('a.eml', options as never)).rejects.toMatchObject({ code: 'invalid_params' })
  })
})
