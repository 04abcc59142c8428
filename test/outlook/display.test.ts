import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type EmailFields, FluxMail, type OutlookOptions } from '../../src/index.js'
import { composeScript } from '../../src/outlook/compose-script.js'
import { safeFilename } from '../../src/outlook/safe-filename.js'
import { decoded, openStandIn, type Recorded, useOwnTemporaryFolder } from './stand-in.js'

const least = { subject: 'Hi', body: 'Hello', recipients: ['ada@example.com'] }

function display(fields: Partial<EmailFields> = {}, options: OutlookOptions = {}): Promise<string> {
  const mail = new FluxMail({ objectType: 'outlook', outlook: { platform: 'win32', ...options } })
  return Promise.resolve(mail.create({ ...least, ...fields }).display())
}

async function given(fields: Partial<EmailFields>): Promise<Recorded> {
  const standIn = await openStandIn()
  await display(fields)
  return standIn.recorded()
}

const contentOf = (recorded: Recorded, path: string | undefined) => decoded(recorded.files[decoded(path)])

describe('on Windows', () => {
  test('the email is opened by PowerShell, which gets the same words every time and no stdin', async () => {
    const { args, stdin } = await given({ subject: '"; Remove-Item C:\\ #', body: '$(calc)' })
    expect(args).toEqual(['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', composeScript])
    expect(stdin).toBe('')
  })

  test('it says that the email is open', async () => {
    await openStandIn()
    expect(await display()).toBe("The email is open in Outlook's compose window.")
  })

  test('a text email is its Body, with the line ends of Windows', async () => {
    const recorded = await given({ body: 'a\nb\r\nc\rdü' })
    expect(recorded.description).toMatchObject({ isHtml: false, importance: 1 })
    expect(contentOf(recorded, recorded.description.bodyFile)).toBe('a\r\nb\r\nc\r\ndü')
  })

  test('an HTML email is its HTMLBody, with its styles inlined where asked for', async () => {
    const body = '<style>p { color: red }</style><p>Hällo</p>'
    const recorded = await given({ body, htmlBody: true, plainBody: 'text', inlineCss: true })
    expect(recorded.description.isHtml).toBe(true)
    expect(contentOf(recorded, recorded.description.bodyFile)).toContain('<p style="color: red;">Hällo</p>')
  })

  test('subject, recipients of each kind, replies and importance are carried', async () => {
    const { description } = await given({
      subject: 'Grüße 🎉',
      recipients: ['Ada Lovelace <ada@example.com>', '"Lovelace, Ada; <x>" <b@example.com>'],
      cc: ['carol@bücher.example'],
      bcc: ['Dan O’Ü <dan@example.com>'],
      replyTo: ['help@example.com', 'Desk <desk@example.com>'],
      priority: 'high',
    })
    expect(decoded(description.subject)).toBe('Grüße 🎉')
    expect(description.recipients.map(({ type, address }) => [type, decoded(address)])).toEqual([
      [1, 'Ada Lovelace <ada@example.com>'],
      [1, 'b@example.com'],
      [2, 'carol@xn--bcher-kva.example'],
      [3, 'Dan O’Ü <dan@example.com>'],
    ])
    expect(description.replyTo.map(decoded)).toEqual(['help@example.com', 'Desk <desk@example.com>'])
    expect(description.importance).toBe(2)
  })

  test('priority low is importance 0', async () => {
    expect((await given({ priority: 'low' })).description.importance).toBe(0)
  })

  test('threads, unsubscribing and further headers are properties', async () => {
    const { description } = await given({
      inReplyTo: '<q@x.io>',
      references: ['<p@x.io>', '<q@x.io>'],
      unsubscribeUrl: 'https://example.com/u',
      headers: { 'X-Campaign': 'Frühling' },
    })
    const names = 'http://schemas.microsoft.com/mapi/string/{00020386-0000-0000-C000-000000000046}/'
    expect(description.properties.map(({ name, value }) => [decoded(name), decoded(value)])).toEqual([
      ['http://schemas.microsoft.com/mapi/proptag/0x1042001F', '<q@x.io>'],
      ['http://schemas.microsoft.com/mapi/proptag/0x1039001F', '<p@x.io> <q@x.io>'],
      [`${names}List-Unsubscribe`, '<https://example.com/u>'],
      [`${names}List-Unsubscribe-Post`, 'List-Unsubscribe=One-Click'],
      [`${names}X-Campaign`, 'Frühling'],
    ])
  })

  test('attachments are files under their names, two of the same name among them', async () => {
    const recorded = await given({
      attachments: [
        { filename: 'a.txt', content: 'one' },
        { filename: 'a.txt', content: 'two' },
        { filename: 'CON.txt', content: 'three' },
        { filename: 'x:y?.pdf', content: Buffer.from([0, 255]) },
      ],
    })
    const { attachments } = recorded.description
    expect(attachments.map((path) => basename(decoded(path)))).toEqual([
      'a.txt',
      'a.txt',
      '_CON.txt',
      'x_y_.pdf',
    ])
    expect(attachments.slice(0, 3).map((path) => contentOf(recorded, path))).toEqual(['one', 'two', 'three'])
    expect(recorded.files[decoded(attachments[3])]).toBe(Buffer.from([0, 255]).toString('base64'))
  })

  test('texts that PowerShell would take for dates or variables travel as base64', async () => {
    const { description } = await given({ subject: '2026-01-01T00:00:00Z $env:PATH `n \\/Date(0)\\/' })
    expect(description.subject).toMatch(/^[A-Za-z0-9+/]+=*$/)
    expect(JSON.stringify(description)).toMatch(/^[ -~]*$/)
  })

  test('whatever an email says, the command line stays the same and the description is ASCII', async () => {
    const standIn = await openStandIn()
    const line = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .map((text) => `x${text.replace(/[\p{C}\p{Z}]/gu, '_')}`)
    await fc.assert(
      fc.asyncProperty(line, fc.string({ unit: 'grapheme' }), async (subject, body) => {
        await display({
          subject,
          body,
          headers: { 'X-A': subject },
          attachments: [{ filename: 'a.txt', content: body }],
        })
        const { args, description } = await standIn.recorded()
        expect(args.at(-1)).toBe(composeScript)
        expect(decoded(description.subject)).toBe(subject)
        expect(JSON.stringify(description)).toMatch(/^[ -~]*$/)
      }),
      { numRuns: 15 },
    )
  })

  test('the folder is for this user alone and gone afterwards, also when Outlook failed', async () => {
    const standIn = await openStandIn(
      "const { statSync } = require('node:fs'); const { dirname } = require('node:path'); " +
        'console.error((statSync(dirname(descriptionFile)).mode & 0o777).toString(8)); process.exitCode = 1',
    )
    const temporary = await useOwnTemporaryFolder()
    await expect(display({ attachments: [{ filename: 'a.txt', content: 'x' }] })).rejects.toThrow(/: 700;/)
    expect(existsSync((await standIn.recorded()).descriptionFile)).toBe(false)
    expect(await readdir(temporary)).toEqual([])
  })

  test('variables of ours, the password among them, are not handed on', async () => {
    vi.stubEnv('FLUXMAIL_PASSWORD', 'hunter2')
    vi.stubEnv('OTHER', 'kept')
    const { env, descriptionFile } = await given({})
    expect(Object.keys(env).filter((name) => name.startsWith('FLUXMAIL_'))).toEqual([
      'FLUXMAIL_OUTLOOK_MESSAGE',
    ])
    expect(env).toMatchObject({ OTHER: 'kept', FLUXMAIL_OUTLOOK_MESSAGE: descriptionFile })
  })

  test('what PowerShell complains of is in the error, with what to do instead', async () => {
    await openStandIn("console.error('Outlook could not be started: no such class ü'); process.exitCode = 1")
    await expect(display()).rejects.toMatchObject({
      code: 'display_failed',
      message: expect.stringMatching(
        /Outlook could not be started: no such class ü; toDraft\(path\) writes a draft/,
      ),
    })
  })

  test('of a long complaint the first two lines are quoted, and the rest is in the details', async () => {
    await openStandIn("console.error(['one', 'two', 'three', 'four'].join('\\n')); process.exitCode = 1")
    await expect(display()).rejects.toMatchObject({
      message: expect.stringMatching(/: one two …; toDraft/),
      details: { stderr: 'one\ntwo\nthree\nfour', exitCode: 1 },
    })
  })

  test('a descendant that holds standard error holds up no success', async () => {
    await openStandIn(
      "require('node:child_process').spawn('/bin/sleep', ['20'], { stdio: ['ignore', 'ignore', 'inherit'], detached: true }).unref()",
    )
    const startedAt = performance.now()
    expect(await display({}, { timeoutMs: 15_000 })).toMatch(/is open/)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  test('pwsh is found as pwsh.exe', async () => {
    const standIn = await openStandIn('', 'pwsh.exe')
    await display({}, { powershell: 'pwsh' })
    expect((await standIn.recorded()).args).toContain(composeScript)
  })

  test('a silent failure is told by its exit code', async () => {
    await openStandIn('process.exitCode = 7')
    await expect(display()).rejects.toThrow(/exit code 7/)
  })

  test('one that hangs is ended after the time limit', async () => {
    await openStandIn('setInterval(() => undefined, 1000)')
    const temporary = await useOwnTemporaryFolder()
    await expect(display({}, { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'display_failed',
      message: expect.stringContaining('within 0.5 s'),
    })
    expect(await readdir(temporary)).toEqual([])
  })

  test('without PowerShell on the PATH it is display_failed', async () => {
    await openStandIn('', 'something-else')
    await expect(display()).rejects.toMatchObject({
      code: 'display_failed',
      message: expect.stringContaining('there is no powershell.exe on the PATH'),
    })
  })

  test('PowerShell is never taken from the working directory', async () => {
    const { folder } = await openStandIn()
    vi.stubEnv('PATH', `.:${join(folder, 'nowhere')}:`)
    const before = process.cwd()
    onTestFinished(() => process.chdir(before))
    process.chdir(folder)
    await expect(display()).rejects.toThrow(/there is no powershell\.exe on the PATH/)
  })

  test('another PowerShell can be named, by its name or by its path', async () => {
    const standIn = await openStandIn('', 'pwsh')
    await display({}, { powershell: 'pwsh' })
    expect((await standIn.recorded()).args).toContain(composeScript)
    vi.stubEnv('PATH', '')
    await rm(join(standIn.folder, 'recorded.json'))
    await display({}, { powershell: standIn.path })
    expect((await standIn.recorded()).args).toContain(composeScript)
    await expect(display({}, { powershell: join(standIn.folder, 'none') })).rejects.toMatchObject({
      code: 'display_failed',
      message: expect.stringContaining('PowerShell could not be started'),
    })
  })

  test('a temporary folder that cannot be made is display_failed', async () => {
    await openStandIn()
    vi.stubEnv('TMPDIR', '/dev/null/nowhere')
    await expect(display()).rejects.toMatchObject({ code: 'display_failed' })
  })

  test('a header that is given twice is refused, since Outlook keeps one', async () => {
    const standIn = await openStandIn()
    const headers = [
      { name: 'X-A', value: '1' },
      { name: 'x-a', value: '2' },
    ]
    await expect(display({ headers })).rejects.toThrow(/Outlook takes the header x-a once/)
    await expect(standIn.recorded()).rejects.toThrow('ENOENT')
  })

  test('emails displayed at the same time do not meet', async () => {
    await openStandIn(
      "const subject = Buffer.from(description.subject, 'base64').toString(); " +
        'const [body] = Object.values(files); ' +
        "if (Buffer.from(body, 'base64').toString() !== 'Body ' + subject) { console.error('mixed'); process.exitCode = 1 }",
    )
    const numbers = Array.from({ length: 8 }, (_, index) => String(index))
    await Promise.all(numbers.map((number) => display({ subject: number, body: `Body ${number}` })))
  })
})

describe('elsewhere', () => {
  test('display says which draft to open instead, and the draft is there', async () => {
    const temporary = await useOwnTemporaryFolder()
    const said = await display({ bcc: ['eve@example.com'] }, { platform: 'linux' })
    const [, path = ''] = /Open this draft in Outlook instead: (.*)$/.exec(said) ?? []
    const draft = await simpleParser(await readFile(path))
    expect(draft.headers.get('x-unsent')).toBe('1')
    expect(draft.bcc).toMatchObject({ text: 'eve@example.com' })
    expect(basename(path)).toMatch(/\.eml$/)
    expect(dirname(dirname(path))).toBe(temporary)
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700)
  })

  test('nothing is run', async () => {
    await useOwnTemporaryFolder()
    const standIn = await openStandIn()
    await display({}, { platform: 'darwin' })
    await expect(standIn.recorded()).rejects.toThrow('ENOENT')
  })

  test('a draft that cannot be written is display_failed', async () => {
    vi.stubEnv('TMPDIR', '/dev/null/nowhere')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(display({}, { platform: 'linux' })).rejects.toMatchObject({ code: 'display_failed' })
  })
})

test('the script holds no double quote, which would be quoted anew on the way, and only ASCII', () => {
  expect(composeScript).toMatch(/^[ -!#-~\n]+$/)
})

test.each([
  ['report.pdf', 'report.pdf'],
  ['a:b', 'a_b'],
  ['nul', '_nul'],
  ['COM1.log', '_COM1.log'],
  ['lpt¹', '_lpt¹'],
  ['trailing. . ', 'trailing'],
  ['...', '_'],
  ['"<>|?*', '______'],
  ['\u202efdp.exe', '_fdp.exe'],
  [`${'ü'.repeat(300)}.pdf`, `${'ü'.repeat(48)}.pdf`],
])('on Windows the file %s is named %s', (name, safe) => {
  expect(safeFilename(name)).toBe(safe)
})

test('a safe name is never empty, never long and never another folder, and can be written', async () => {
  const folder = await useOwnTemporaryFolder()
  await mkdir(join(folder, 'names'))
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (name) => {
      const safe = safeFilename(name)
      expect(safe).toMatch(/^[^<>:"/\\|?*]{1,101}$/)
      expect(safe).not.toMatch(/[. ]$/)
      await writeFile(join(folder, 'names', safe), '')
    }),
  )
})
