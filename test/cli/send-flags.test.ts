import { execFileSync } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { type ParsedMail, simpleParser } from 'mailparser'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { openSink, type Sink, type SinkOptions } from '../../src/sink/sink.js'
import { cert, key } from '../sink/certificate.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'
import { newFolder, writeFiles } from './folder.js'
import { startCommand } from './process.js'
import { openTerminal, type Ran, run } from './terminal.js'

async function openTestSink(options: SinkOptions = {}): Promise<Sink> {
  const sink = await openSink({ httpPort: false, ...options })
  onTestFinished(() => sink.close())
  return sink
}

const relayOf = (sink: Sink) => ['--host', '127.0.0.1', '--port', String(sink.smtpPort)]
const sender = ['--sender', 'me@example.com']
const least = ['send', '--subject', 'Hello', '--recipients', 'ada@example.com', '--body', 'How are you?']

/** Sends with these flags, and gives what arrived. */
async function arrived(
  flags: readonly string[],
  words: readonly string[] = least,
): Promise<Omit<ParsedMail, 'text'> & { text: string | undefined }> {
  const sink = await openTestSink()
  expect(await run([...words, ...flags, ...sender, ...relayOf(sink)])).toMatchObject({
    exitCode: 0,
    stderr: '',
  })
  const [message] = sink.messages
  expect(message?.from).toBe('me@example.com')
  const mail = await simpleParser(message?.bytes ?? '')
  // SMTP ends what it carries with a line end.
  return { ...mail, text: mail.text?.trimEnd() }
}

async function failing(flags: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const ran = await run([...least, '--host', 'nowhere.invalid', ...flags], { env })
  expect(ran.stdout).toBe('')
  return ran
}

describe('every flag of an email', () => {
  test('--subject, --recipients, --body and --sender', async () => {
    const words = [
      'send',
      '--subject',
      'Grüße 🎉',
      '--recipients',
      'Ada <ada@example.com>',
      'bob@example.com',
    ]
    const mail = await arrived([], [...words, '--body', 'Zeile 1\nZeile 2'])
    expect(mail).toMatchObject({ subject: 'Grüße 🎉', text: 'Zeile 1\nZeile 2' })
    expect(mail.from).toMatchObject({ text: 'me@example.com' })
    expect(mail.to).toMatchObject({ text: '"Ada" <ada@example.com>, bob@example.com' })
  })

  test('--body-file is the body', async () => {
    const [file = ''] = await writeFiles({ 'body.txt': 'Aus der Datei: ü' })
    const words = ['send', '--subject', 's', '--recipients', 'ada@example.com', '--body-file', file]
    expect((await arrived([], words)).text).toBe('Aus der Datei: ü')
  })

  test('--body may be empty', async () => {
    const words = ['send', '--subject', 's', '--recipients', 'ada@example.com', '--body', '']
    expect((await arrived([], words)).text ?? '').toBe('')
  })

  test('--html and --plain-body', async () => {
    const words = [
      'send',
      '--subject',
      's',
      '--recipients',
      'ada@example.com',
      '--body',
      '<p>Hi <b>you</b></p>',
    ]
    expect((await arrived(['--html'], words)).text).toBe('Hi you')
    expect(await arrived(['--html', '--plain-body', 'Own'], words)).toMatchObject({
      text: 'Own',
      html: '<p>Hi <b>you</b></p>',
    })
  })

  test('--inline-css', async () => {
    const words = ['send', '--subject', 's', '--recipients', 'ada@example.com']
    const body = ['--body', '<style>p { color: red }</style><p>Hi</p>', '--html']
    expect((await arrived(['--inline-css'], [...words, ...body])).html).toContain('<p style="color: red;">')
    expect((await arrived([], [...words, ...body])).html).toContain('<p>')
  })

  test('--cc is in the header and --bcc in the envelope alone', async () => {
    const sink = await openTestSink()
    const flags = [
      '--cc',
      'c1@example.com',
      'c2@example.com',
      '--bcc',
      'Zoe.1@example.com',
      'Zoe.2@example.com',
    ]
    await run([...least, ...flags, ...sender, ...relayOf(sink)])
    const mail = await simpleParser(sink.messages[0]?.bytes ?? '')
    expect(mail.cc).toMatchObject({ text: 'c1@example.com, c2@example.com' })
    expect(sink.messages[0]?.bytes.toString()).not.toMatch(/zoe/i)
    expect([...sink.copies().keys()].map((address) => address[0]).sort()).toEqual(['Z', 'Z', 'a', 'c', 'c'])
  })

  test('--reply-to', async () => {
    expect((await arrived(['--reply-to', 'Help <help@example.com>'])).replyTo).toMatchObject({
      text: '"Help" <help@example.com>',
    })
  })

  test('--attachments and --inline-image', async () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex')
    const [a = '', b = '', image = ''] = await writeFiles({
      'a.txt': 'A',
      'b.bin': Buffer.from([0, 255]),
      'l.png': png,
    })
    const mail = await arrived(['--html', '--attachments', a, b, '--inline-image', `logo=${image}`])
    expect(
      mail.attachments.map(({ filename, contentType, cid, content }) => [
        filename,
        contentType,
        cid,
        content,
      ]),
    ).toEqual([
      ['l.png', 'image/png', 'logo', png],
      ['a.txt', 'text/plain', undefined, Buffer.from('A')],
      ['b.bin', 'application/octet-stream', undefined, Buffer.from([0, 255])],
    ])
  })

  test.each([
    ['high', '1', 'High'],
    ['normal', '3', 'Normal'],
    ['low', '5', 'Low'],
  ])('--priority %s', async (priority, number, word) => {
    const { headerLines } = await arrived(['--priority', priority])
    const lines = headerLines.map(({ line }) => line)
    expect(lines).toEqual(expect.arrayContaining([`X-Priority: ${number}`, `Importance: ${word}`]))
  })

  test('--unsubscribe-url and --header', async () => {
    const { headerLines } = await arrived([
      '--unsubscribe-url',
      'https://x.io/u?a=1',
      '--header',
      'X-A: 1: 2',
    ])
    expect(headerLines.map(({ line }) => line)).toEqual(
      expect.arrayContaining([
        'List-Unsubscribe: <https://x.io/u?a=1>',
        'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
        'X-A: 1: 2',
      ]),
    )
  })
})

describe('every flag of the relay', () => {
  const login = { username: 'ada', password: 'right' }

  test('--username and --password go before the environment', async () => {
    const sink = await openTestSink({ auth: login })
    const env = { FLUXMAIL_USERNAME: 'eve', FLUXMAIL_PASSWORD: 'wrong' }
    const args = [...least, ...sender, ...relayOf(sink)]
    expect(await run([...args, '--username', 'ada', '--password', 'right'], { env })).toMatchObject({
      exitCode: 0,
    })
    expect(await run(args, { env })).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('535') })
    const own = { FLUXMAIL_USERNAME: 'ada', FLUXMAIL_PASSWORD: 'right' }
    expect(await run(args, { env: own })).toMatchObject({ exitCode: 0 })
  })

  test('--host and --port go before the environment, and each variable stands for its flag', async () => {
    const sink = await openTestSink()
    const wrong = { FLUXMAIL_HOST: 'nowhere.invalid', FLUXMAIL_PORT: '1', FLUXMAIL_SENDER: 'nobody' }
    const given = await run([...least, ...sender, ...relayOf(sink)], { env: wrong })
    expect(given).toMatchObject({ exitCode: 0, stderr: '' })
    const right = {
      FLUXMAIL_HOST: '127.0.0.1',
      FLUXMAIL_PORT: `${sink.smtpPort}`,
      FLUXMAIL_SENDER: 'env@x.io',
    }
    expect(await run(least, { env: right })).toMatchObject({ exitCode: 0, stderr: '' })
    expect(sink.messages.map(({ from }) => from)).toEqual(['me@example.com', 'env@x.io'])
  })

  test('--tls sends nothing to a relay without STARTTLS', async () => {
    const sink = await openTestSink()
    const ran = await run([...least, ...sender, ...relayOf(sink), '--tls'])
    expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/STARTTLS.*\(send_failed\)/) })
    expect(sink.messages).toEqual([])
  })

  test.each([
    ['--tls', false],
    ['--ssl', true],
  ])('%s sends over TLS where the certificate is right, and not where it is not', async (flag, secure) => {
    const sink = await openTestSink({ tls: { key, cert }, secure })
    const args = [...least, ...sender, ...relayOf(sink), flag]
    expect(await run(args)).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/certificate/) })
    expect(sink.messages).toEqual([])
    const [ca = ''] = await writeFiles({ 'ca.pem': cert })
    const command = startCommand(args, { env: { NODE_EXTRA_CA_CERTS: ca } })
    expect(await command.exited, command.stderr).toBe(0)
    expect(sink.messages).toHaveLength(1)
  })

  test('--tls goes before FLUXMAIL_SSL, and --ssl before FLUXMAIL_TLS', async () => {
    const sink = await openTestSink()
    const tls = await run([...least, ...sender, ...relayOf(sink), '--tls'], { env: { FLUXMAIL_SSL: 'on' } })
    expect(tls.stderr).toMatch(/STARTTLS/)
    const ssl = await run([...least, ...sender, ...relayOf(sink), '--ssl'], { env: { FLUXMAIL_TLS: 'on' } })
    expect(ssl).toMatchObject({ exitCode: 2, stderr: expect.not.stringContaining('invalid_config') })
  })

  test('--timeout is seconds, for a relay that does not greet', async () => {
    await using relay = await openScriptedRelay({ greet: () => '' })
    const flags = ['--host', '127.0.0.1', '--port', String(relay.port), '--timeout', '0.1']
    const ran = await run([...least, ...sender, ...flags], { env: { FLUXMAIL_TIMEOUT: '3600' } })
    expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(send_failed)') })
  })

  test('--max-retries repeats what is transient, after --retry-delay', async () => {
    const sink = await openTestSink()
    const words = [
      'send',
      '--subject',
      's',
      '--body',
      'b',
      '--recipients',
      'defer-2-ada@example.com',
      ...sender,
    ]
    const env = { FLUXMAIL_MAX_RETRIES: '0', FLUXMAIL_RETRY_DELAY: '3600' }
    expect(await run([...words, ...relayOf(sink)], { env })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('451'),
    })
    const flags = ['--max-retries', '2', '--retry-delay', '0.01', '--json']
    const ran = await run([...words, ...relayOf(sink), ...flags], { env })
    expect(JSON.parse(ran.stdout)).toMatchObject({ accepted: ['defer-2-ada@example.com'] })
  })
})

describe('--type outlook', () => {
  const words = [...least, '--type', 'Outlook', '--bcc', 'eve@example.com']

  test.skipIf(process.platform === 'win32')('says which draft to open, which is there', async () => {
    const { exitCode, stdout, stderr } = await run(words)
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    const path = /Open this draft in Outlook instead: (.*)\n$/.exec(stdout)?.[1] ?? ''
    onTestFinished(() => rm(dirname(path), { recursive: true }))
    const draft = await simpleParser(await readFile(path))
    expect(draft).toMatchObject({ subject: 'Hello', text: 'How are you?' })
    expect(draft.bcc).toMatchObject({ text: 'eve@example.com' })
  })

  test('with --draft writes the draft there, and replaces none', async () => {
    const file = join(await newFolder(), 'hello.eml')
    expect(await run([...words, '--draft', file])).toMatchObject({
      exitCode: 0,
      stdout: `draft written to ${file}\n`,
    })
    expect((await simpleParser(await readFile(file))).headers.get('x-unsent')).toBe('1')
    expect(await run([...words, '--draft', file])).toMatchObject({
      exitCode: 1,
      stderr: `[FluxMail ERROR] --draft: ${file}: there is a file already; give another one (write_error)\n`,
    })
  })

  test('with --dry-run prints the email and writes nothing', async () => {
    const file = join(await newFolder(), 'hello.eml')
    const { stdout } = await run([...words, '--dry-run', '--draft', file])
    expect(stdout).toMatch(/^--- Headers ---\nTo: ada@example\.com\n/)
    await expect(readFile(file)).rejects.toThrow('ENOENT')
  })

  test('refuses --sender and --inline-image, in the words of the command', async () => {
    expect(await run([...words, ...sender])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /^\[FluxMail ERROR\] --sender: .* use --type smtp\. \(outlook_no_sender\)\n$/,
      ),
    })
    const image = await run([...words, '--html', '--inline-image', 'logo=logo.png'])
    expect(image).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/--inline-image: .*\(invalid_params\)/),
    })
  })

  test('may stand in the environment, which --type goes before', async () => {
    const sink = await openTestSink()
    const env = { FLUXMAIL_TYPE: 'outlook' }
    const file = join(await newFolder(), 'hello.eml')
    expect(await run([...least, '--draft', file], { env })).toMatchObject({ exitCode: 0 })
    const sent = await run([...least, '--type', 'SMTP', ...sender, ...relayOf(sink)], { env })
    expect(sent.stdout).toMatch(/^sent to 1 recipient/)
  })
})

describe('--draft', () => {
  test('of an SMTP email sends nothing', async () => {
    const sink = await openTestSink()
    const file = join(await newFolder(), 'hello.eml')
    const { stdout } = await run([...least, ...sender, ...relayOf(sink), '--draft', file, '--json'])
    expect(JSON.parse(stdout)).toEqual({ draft: file })
    expect((await simpleParser(await readFile(file))).from).toMatchObject({ text: 'me@example.com' })
    expect(sink.connections).toBe(0)
  })
})

describe('an error speaks of the flag that is at fault', () => {
  test.each([
    [
      ['--cc', 'b@x.io', 'nobody', ...sender],
      /--cc: "nobody" has no @.*or 'Ada <ada@example\.com>'\. \(invalid_email\)/,
    ],
    [['--bcc', 'a@x.io, b@x.io', ...sender], /--bcc: .*more than one address.*\(invalid_email\)/],
    [['--reply-to', '', ...sender], /--reply-to: the address is empty.*\(no_email\)/],
    [['--sender', 'nobody'], /--sender: "nobody" has no @.*\(invalid_email\)/],
    [['--priority', 'urgent', ...sender], /--priority: "urgent" is no priority.*\(invalid_priority\)/],
    [['--plain-body', 'x', ...sender], /--plain-body: it goes with an HTML body only\. Give --html or/],
    [
      ['--inline-image', 'logo=a.png', ...sender],
      /--inline-image: it goes with an HTML body only\. Give --html/,
    ],
    [['--unsubscribe-url', 'http://x.io', ...sender], /--unsubscribe-url: "http:\/\/x\.io" is no https URL/],
    [['--header', 'Bcc: x@x.io', ...sender], /--header: Bcc is written by FluxMail\. Use bcc/],
    [['--header', 'X-A: a\nb', ...sender], /--header: .*\(invalid_header\)/],
    [['--type', 'exchange'], /--type must be smtp or outlook, and is "exchange" \(invalid_config\)/],
    [['--tls', '--ssl'], /--ssl: cannot go with --tls: choose STARTTLS \(--tls\) or implicit TLS \(--ssl\)/],
    [['--username', 'a@x.io'], /--username and --password go together/],
    [
      ['--username', 'a@x.io', '--password', 'p'],
      /--username: would be sent without TLS; set --tls or --ssl \(/,
    ],
    [['--host', 'x.io:587'], /--host: holds a port; write host and port apart: --port 587/],
    [[], /--sender: there is none\. Give --sender or set FLUXMAIL_SENDER\. \(sender_required\)/],
    [['--recipients', 'ada', ...sender], /--recipients: "ada" has no @.*\(invalid_email\)/],
    [['--subject', '', ...sender], /--subject: .*\(invalid_params\)/],
  ])('1 for %j', async (flags, message) => {
    const { exitCode, stderr } = await failing(flags)
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^\[FluxMail ERROR\] [\s\S]* \(\w+\)\n$/)
    expect(exitCode).toBe(1)
    expect(stderr).not.toMatch(/recipients\[|useTls|useSsl|objectType|htmlBody|allowPlaintextAuth/)
  })

  test('the first of several recipients that is wrong', async () => {
    const words = [
      'send',
      '--subject',
      's',
      '--body',
      'b',
      '--recipients',
      'a@x.io',
      'b',
      'c',
      '--host',
      'x',
      ...sender,
    ]
    expect(await run(words)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('] --recipients: "b" has no @'),
    })
  })

  test('an image that is not known by its kind is named with its cid', async () => {
    const [file = ''] = await writeFiles({ logo: 'x' })
    const { stderr } = await failing(['--html', '--inline-image', `mark=${file}`, ...sender])
    expect(stderr).toMatch(
      /--inline-image mark: it is not known what kind of image it is\. Name it by its kind \(logo\.png\)\. /,
    )
  })

  test('a variable where the flag was not given', async () => {
    expect((await failing([], { FLUXMAIL_SENDER: 'nobody' })).stderr).toMatch(
      /FLUXMAIL_SENDER: "nobody" has no @/,
    )
    expect((await failing([], { FLUXMAIL_TYPE: 'exchange' })).stderr).toMatch(
      /FLUXMAIL_TYPE must be smtp or outlook/,
    )
    const env = { FLUXMAIL_USERNAME: 'a@x.io', FLUXMAIL_PASSWORD: 'p' }
    expect((await failing([], env)).stderr).toMatch(/FLUXMAIL_USERNAME: would be sent without TLS/)
  })

  test('a relay that is named nowhere', async () => {
    expect(await run(least)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(
        '--host: there is none. Give the SMTP relay, or set FLUXMAIL_HOST (invalid_config)',
      ),
    })
  })

  test('what a relay says is left as it is', async () => {
    await using relay = await openScriptedRelay({
      answer: (command) =>
        command.startsWith('RCPT') ? '550 5.1.1 set useTls, objectType: smtp' : undefined,
    })
    const { stderr } = await run([...least, ...sender, '--host', '127.0.0.1', '--port', String(relay.port)])
    expect(stderr).toContain('550 5.1.1 set useTls, objectType: smtp')
  })
})

describe('the exit code of the process', () => {
  test('is 0 once it is sent, 1 for the command line, 2 for a refusal', async () => {
    const sink = await openTestSink()
    const words = ['send', '--subject', 's', '--body', 'b', ...sender, ...relayOf(sink), '--recipients']
    const sent = startCommand([...words, 'ada@example.com'])
    const unknown = startCommand([...words, 'ada@example.com', '--subjekt', 'x'])
    const refused = startCommand([...words, 'reject-ada@example.com'])
    expect(await Promise.all([sent, unknown, refused].map(({ exited }) => exited))).toEqual([0, 1, 2])
    expect(sent.stderr).toBe('')
    expect(unknown.stderr).toMatch(/^\[FluxMail ERROR\] unknown option '--subjekt'.* \(invalid_params\)\n$/)
    expect(refused.stderr).toMatch(/^\[FluxMail ERROR\] .*550 5\.1\.1.* \(send_failed\)\n$/)
    expect(refused.stdout).toBe('')
  })

  test.each([
    ['--attachments', 'nowhere.pdf', 'attachment_not_found'],
    ['--attachments', 'src', 'read_error'],
    ['--body-file', 'nowhere.txt', 'read_error'],
    ['--draft', 'nowhere/draft.eml', 'write_error'],
  ])('is 1 for a file of %s that cannot be had: %s', async (flag, file, code) => {
    const words = ['send', '--subject', 's', '--recipients', 'a@x.io', ...sender, '--host', 'x.io']
    const body = flag === '--body-file' ? [] : ['--body', 'b']
    const { exitCode, stderr } = await run([...words, ...body, flag, file])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(file)
    expect(stderr).toMatch(new RegExp(`\\(${code}\\)\\n$`))
  })
})

describe('--json', () => {
  test('prints what was wrong as JSON too, beside the sentence on standard error', async () => {
    const sink = await openTestSink()
    const words = ['send', '--subject', 's', '--body', 'b', ...sender, ...relayOf(sink), '--json']
    const refused = await run([...words, '--recipients', 'ada@example.com', 'reject-bob@example.com'])
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(send_failed)') })
    expect(JSON.parse(refused.stdout).error).toMatchObject({
      code: 'send_failed',
      accepted: ['ada@example.com'],
      rejected: [{ recipient: 'reject-bob@example.com', code: 550, about: 'recipient' }],
    })
    const wrong = await run([...words, '--recipients', 'ada'])
    expect(wrong.exitCode).toBe(1)
    expect(JSON.parse(wrong.stdout).error).toMatchObject({ code: 'invalid_email' })
  })
})

test('a partial refusal says that the others have it', async () => {
  const sink = await openTestSink()
  const words = ['send', '--subject', 's', '--body', 'b', ...sender, ...relayOf(sink), '--recipients']
  const { stderr } = await run([...words, 'ada@example.com', 'reject-bob@example.com'])
  expect(stderr).toMatch(/it was sent to the other 1: do not repeat it for them \(send_failed\)\n$/)
})

describe('--body-file', () => {
  const words = ['send', '--subject', 's', '--recipients', 'ada@example.com', '--body-file']

  test('of - is standard input', async () => {
    const sink = await openTestSink()
    const stdin = Readable.from([Buffer.from('from '), Buffer.from('stdin')])
    expect(await run([...words, '-', ...sender, ...relayOf(sink)], { stdin })).toMatchObject({ exitCode: 0 })
    expect(sink.messages[0]?.bytes.toString()).toContain('from stdin')
  })

  test.skipIf(process.platform === 'win32')(
    'of a pipe that nobody writes to can be interrupted',
    async () => {
      const pipe = join(await newFolder(), 'pipe')
      execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
      const terminal = openTerminal()
      const running = runCommandLine([...words, pipe, ...sender, '--host', 'nowhere.invalid'], terminal)
      setTimeout(() => terminal.interrupt(), 50)
      expect(await running).toBe(130)
    },
  )

  test('of what never ends is refused', async () => {
    expect(await run([...words, '/dev/zero', ...sender, '--host', 'nowhere.invalid'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('too much for a body'),
    })
  })
})

test.each(['/', '..', '.', tmpdir()])(
  'a folder as an attachment, such as %s, is refused as one',
  async (path) => {
    expect(await failing(['--attachments', path, ...sender])).toMatchObject({
      exitCode: 1,
      stderr: `[FluxMail ERROR] --attachments: ${path} cannot be read: it is a folder (read_error)\n`,
    })
  },
)

test.each([
  ['--recipient', '--recipients'],
  ['--html_body', '--html'],
  ['--inline_image', '--inline-image'],
  ['--reply_to', '--reply-to'],
])('%s is answered with %s', async (given, meant) => {
  const { exitCode, stderr } = await run(['send', '--subject', 's', given, 'x'])
  expect(exitCode).toBe(1)
  expect(stderr).toContain(`there is no ${given}; did you mean ${meant}?`)
})

test('the help lists the exit codes and every flag', async () => {
  const { stdout } = await run(['send', '--help'])
  const flags =
    'host subject recipients body body-file sender cc bcc reply-to attachments html plain-body inline-css priority unsubscribe-url inline-image dry-run port username password tls ssl timeout max-retries retry-delay type'
  for (const flag of flags.split(' ')) expect(stdout).toMatch(new RegExp(`^ {2}--${flag}[ \\n]`, 'm'))
  for (const code of [0, 1, 2, 99]) expect(stdout).toMatch(new RegExp(`^ {2}${code} `, 'm'))
})
