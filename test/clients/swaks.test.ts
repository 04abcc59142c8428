import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openSmtpSink } from '../helpers/smtp-sink.js'
import { type Errand, testClient } from './every-client.js'
import { letter, megabyte } from './letters.js'
import { withProgram } from './programs.js'
import { type RunOptions, runProgram } from './run-program.js'
import { host, openSubmission, parsed, password, username, withoutTrace } from './submission.js'

function trust({ tls, ca }: Pick<Errand, 'tls' | 'ca'>): string[] {
  const start = tls === 'implicit' ? '--tls-on-connect' : '--tls'
  return [start, '--tls-verify', ...(ca === undefined ? [] : ['--tls-ca-path', ca])]
}

withProgram('swaks', (swaks) => {
  const swaksWith = async (args: readonly string[], options?: RunOptions) => {
    // --config without a file: no settings of whoever runs this. --helo: its own way may ask the network.
    const own = ['--config', '--server', host, '--helo', 'client.example', '--suppress-data']
    const { code, said } = await runProgram(swaks, [...own, ...args], options)
    return { ok: code === 0, said }
  }
  const login = (errand: Errand) => ['--auth-user', errand.username, '--auth-password', errand.password]
  const envelope = ({ from, to }: Errand) => ['--from', from, '--to', to.join(',')]
  const client = {
    name: 'swaks',
    distrust: /TLS|certificate/i,
    run: async (errand: Errand, folder: string) => {
      const file = join(folder, 'letter.eml')
      // It ends the message with a line end of its own.
      await writeFile(file, errand.data.subarray(0, -2))
      const port = ['--port', String(errand.port)]
      return swaksWith([
        ...port,
        ...trust(errand),
        ...['--auth', 'PLAIN', '--auth-hide-password'],
        ...login(errand),
        ...envelope(errand),
        ...['--data', `@${file}`],
      ])
    },
  }
  const { submission } = testClient(client)
  const errand = (extra: Partial<Errand> = {}): Errand => ({
    port: submission().port,
    tls: 'starttls',
    ca: submission().caFile,
    username,
    password,
    from: 'ann@example.com',
    to: ['bob@example.org'],
    data: letter(),
    ...extra,
  })
  const basics = () => ['--port', String(submission().port), ...trust(errand()), ...envelope(errand())]

  describe('swaks: what it alone can do', () => {
    test.each(['PLAIN', 'LOGIN'])('AUTH %s is taken', async (mechanism) => {
      const { ok, said } = await swaksWith([...basics(), '--auth', mechanism, ...login(errand())])
      expect(ok, said).toBe(true)
      await submission().arrived(1)
    })

    test('its own test message arrives, with its own Date and Message-ID', async () => {
      const { ok, said } = await swaksWith([...basics(), '--auth', ...login(errand())])
      expect(ok, said).toBe(true)
      const mail = await parsed((await submission().arrived(1))[0])
      expect(mail.text?.trim()).toBe('This is a test mailing')
      expect(mail.headers.get('x-mailer')).toMatch(/swaks/)
    })

    test('a message without Date and Message-ID is given both, and is otherwise the same', async () => {
      const data = letter('Hi.\r\n', { Date: undefined, 'Message-ID': undefined })
      const { ok, said } = await client.run(errand({ data }), submission().folder)
      expect(ok, said).toBe(true)
      const [message] = await submission().arrived(1)
      const { date, messageId } = await parsed(message)
      expect(Math.abs(Date.now() - (date?.getTime() ?? 0))).toBeLessThan(60_000)
      expect(messageId).toMatch(/@example\.com>$/)
      expect(message?.bytes.subarray(-data.length)).toEqual(data)
    })

    test('pipelined commands are answered one by one', async () => {
      const to = ['bob@example.org', 'nobody@-no-label-.example', 'carla@example.org'].join(',')
      const args = [...basics(), '--pipeline', '--auth', ...login(errand()), '--to', to]
      const { said } = await swaksWith(args)
      expect(said).toContain('PIPELINING')
      const messages = await submission().arrived(2)
      expect(messages.flatMap((message) => message.to).sort()).toEqual([
        'bob@example.org',
        'carla@example.org',
      ])
    })

    test('the null sender of a bounce is kept', async () => {
      const { ok, said } = await client.run(errand({ from: '<>' }), submission().folder)
      expect(ok, said).toBe(true)
      const [message] = await submission().arrived(1)
      expect(message).toMatchObject({ from: '', to: ['bob@example.org'] })
      expect(withoutTrace(message)).toEqual(letter())
    })

    test('a file that swaks attaches arrives whole', async () => {
      const path = join(submission().folder, 'all.bin')
      await writeFile(path, megabyte)
      const args = ['--auth', ...login(errand()), '--attach', `@${path}`, '--body', 'See the file.']
      const { ok, said } = await swaksWith([...basics(), ...args])
      expect(ok, said).toBe(true)
      const { attachments, text } = await parsed((await submission().arrived(1))[0])
      expect([text?.trim(), attachments[0]?.content.equals(megabyte)]).toEqual(['See the file.', true])
    })

    // Not our sink, whose parser takes no quoted local part.
    test("a quoted local part reaches Postfix's smtp-sink byte for byte", async (context) => {
      await using postfix = await openSmtpSink(context)
      await using own = await openSubmission({ relays: { postfix: { host, port: postfix.port } } })
      const to = ['"john smith"@example.org']
      const { ok, said } = await client.run(errand({ port: own.port, to }), own.folder)
      expect(ok, said).toBe(true)
      const message = await eventually('the message', async () => (await postfix.messages())[0])
      expect(message).toContain('X-Rcpt-Args: <"john smith"@example.org>\n')
    })
  })
})
