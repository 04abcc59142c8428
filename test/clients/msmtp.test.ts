import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Errand, testClient } from './every-client.js'
import { letter } from './letters.js'
import { withProgram } from './programs.js'
import { runProgram } from './run-program.js'
import { host, password, recipientsOf, username, withoutTrace } from './submission.js'

/** A string as msmtp's configuration takes it: backslashes are its own, quotes inside are not special. */
function quoted(value: string): string {
  return `"${value}"`
}

function settings({ port, tls, ca, username, password }: Errand): string {
  return [
    'account default',
    `host ${host}`,
    `port ${port}`,
    'domain client.example',
    'auth plain',
    `user ${username}`,
    `password ${quoted(password)}`,
    'tls on',
    `tls_starttls ${tls === 'starttls' ? 'on' : 'off'}`,
    ...(ca === undefined ? [] : [`tls_trust_file ${ca}`]),
    // Left to the server, so that it is the server that is tested.
    'remove_bcc_headers off',
    'set_from_header off',
    'set_date_header off',
    'timeout 15',
    '',
  ].join('\n')
}

function unixLines(data: Buffer): Buffer {
  return Buffer.from(data.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
}

withProgram('msmtp', (msmtp) => {
  const submit = async (errand: Errand, folder: string, recipients: readonly string[], extra = '') => {
    const file = join(folder, 'msmtprc')
    await writeFile(file, settings(errand) + extra, { mode: 0o600 })
    const args = [`--file=${file}`, `--from=${errand.from}`, ...recipients]
    const { code, said } = await runProgram(msmtp, args, { input: unixLines(errand.data) })
    return { ok: code === 0, said }
  }
  const client = {
    name: 'msmtp',
    allOrNothing: true,
    distrust: /certificate/i,
    run: (errand: Errand, folder: string) => submit(errand, folder, ['--', ...errand.to]),
  } as const
  const { submission } = testClient(client)
  const errand = (data: Buffer): Errand => ({
    port: submission().port,
    tls: 'starttls',
    ca: submission().caFile,
    username,
    password,
    from: 'ann@example.com',
    to: [],
    data,
  })

  describe('msmtp: what it alone can do', () => {
    test('recipients read from the headers, as sendmail -t does, include Bcc', async () => {
      const headers = { Cc: 'carla@example.org', Bcc: 'secret@example.net' }
      const data = letter('Hi.\r\n', headers)
      const { ok, said } = await submit(errand(data), submission().folder, ['--read-recipients'])
      expect(ok, said).toBe(true)
      const messages = await submission().arrived(3)
      expect(recipientsOf(messages)).toEqual(['bob@example.org', 'carla@example.org', 'secret@example.net'])
      for (const message of messages) {
        expect(withoutTrace(message)).toEqual(letter('Hi.\r\n', { Cc: 'carla@example.org' }))
      }
    })

    test('LF from the standard input becomes CRLF on the way, and nothing else', async () => {
      const data = letter('one\r\n\r\n two\t\r\nthree \r\n')
      const { ok, said } = await submit(errand(data), submission().folder, ['--', 'bob@example.org'])
      expect(ok, said).toBe(true)
      const [message] = await submission().arrived(1)
      expect(withoutTrace(message)).toEqual(data)
    })

    test('AUTH LOGIN is taken', async () => {
      const { ok, said } = await submit(
        errand(letter()),
        submission().folder,
        ['--', 'bob@example.org'],
        'auth login\n',
      )
      expect(ok, said).toBe(true)
      await submission().arrived(1)
    })

    test('--serverinfo shows what is offered', async () => {
      const args = ['--serverinfo', `--host=${host}`, `--port=${submission().port}`, '--tls=on']
      const { code, said } = await runProgram(msmtp, [
        ...args,
        `--tls-trust-file=${submission().caFile}`,
        '--domain=client.example',
      ])
      expect(code, said).toBe(0)
      for (const offered of ['SIZE', 'PIPELINING', 'AUTH', 'STARTTLS']) expect(said).toContain(offered)
    })
  })
})
