import { describe, expect, onTestFinished, test } from 'vitest'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { writeFiles } from './folder.js'
import { run } from './terminal.js'

async function openTestSink(): Promise<{ sink: Sink; relay: string[] }> {
  const sink = await openSink({ httpPort: false })
  onTestFinished(() => sink.close())
  return {
    sink,
    relay: ['--host', '127.0.0.1', '--port', String(sink.smtpPort), '--sender', 'me@example.com'],
  }
}

const mail = ['send', '--subject', 'Hello', '--body', 'How are you?', '--recipients']

describe('send', () => {
  test('sends to every recipient and says so', async () => {
    const { sink, relay } = await openTestSink()
    const { exitCode, stdout } = await run([
      ...mail,
      'ada@example.com',
      '--cc',
      'bob@example.com',
      '--bcc',
      'eve@example.com',
      ...relay,
    ])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^sent to 3 recipients through 127\.0\.0\.1\n/)
    expect([...sink.copies().keys()].sort()).toEqual([
      'ada@example.com',
      'bob@example.com',
      'eve@example.com',
    ])
    expect(sink.messages[0]?.bytes.toString()).not.toContain('eve@')
  })

  test('takes HTML from a file, with an image, a file, a header and a priority', async () => {
    const [body = '', image = '', file = ''] = await writeFiles({
      'body.html': '<style>p { color: red }</style><p><img src="cid:logo">Hi</p>',
      'logo.png': Buffer.from('89504e470d0a1a0a', 'hex'),
      'notes.txt': 'notes',
    })
    const { sink, relay } = await openTestSink()
    const flags = [
      '--html',
      '--inline-css',
      '--inline-image',
      `logo=${image}`,
      '--attachments',
      file,
      '--priority',
      'high',
    ]
    const more = [
      '--header',
      'X-Campaign: a: b',
      '--header',
      'X-Other: c',
      '--unsubscribe-url',
      'https://x.example/u',
    ]
    const args = [
      'send',
      '--subject',
      'Hello',
      '--body-file',
      body,
      '--recipients',
      'ada@example.com',
      ...flags,
      ...more,
      ...relay,
    ]
    expect(await run(args)).toMatchObject({ exitCode: 0, stderr: '' })
    const message = sink.messages[0]?.bytes.toString() ?? ''
    for (const part of [
      'X-Campaign: a: b',
      'X-Other: c',
      'X-Priority: 1',
      'List-Unsubscribe-Post',
      'notes.txt',
      'color: red;"',
    ]) {
      expect(message).toContain(part.replace('=', '=3D'))
    }
  })

  test('the environment names the relay, and a flag goes before it', async () => {
    const { sink } = await openTestSink()
    const env = {
      FLUXMAIL_HOST: 'nowhere.invalid',
      FLUXMAIL_PORT: String(sink.smtpPort),
      FLUXMAIL_SENDER: 'me@example.com',
    }
    expect(await run([...mail, 'ada@example.com', '--host', '127.0.0.1'], { env })).toMatchObject({
      exitCode: 0,
    })
    expect(sink.messages).toHaveLength(1)
  })

  test('--dry-run shows the email and touches no network', async () => {
    const { sink, relay } = await openTestSink()
    const { exitCode, stdout } = await run([...mail, 'ada@example.com', '--dry-run', ...relay])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/Subject: Hello\n.*How are you\?/s)
    expect(sink.connections).toBe(0)
  })

  test('--json prints the result as one line', async () => {
    const { relay } = await openTestSink()
    const { stdout } = await run([...mail, 'ada@example.com', '--json', ...relay])
    expect(JSON.parse(stdout)).toMatchObject({
      accepted: ['ada@example.com'],
      rejected: [],
      relay: '127.0.0.1',
    })
  })

  test('a refusal is an error with the reply, and exit code 2', async () => {
    const { relay } = await openTestSink()
    const { exitCode, stderr } = await run([...mail, 'reject-ada@example.com', ...relay])
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/550 5\.1\.1.*\(send_failed\)/)
  })

  test('a pair that is no pair is refused with an example', async () => {
    const image = await run([...mail, 'ada@example.com', '--html', '--inline-image', 'logo.png'])
    expect(image).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('takes cid=path, as in logo=logo.png'),
    })
    const header = await run([...mail, 'ada@example.com', '--header', 'X-Campaign'])
    expect(header).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("takes 'Name: value'") })
  })
})
