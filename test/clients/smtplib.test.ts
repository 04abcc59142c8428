import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Answer, type Errand, type Errands, expectNothing, testClient } from './every-client.js'
import { dots, latin1Text, letter, textHeaders, utf8Subject, utf8Text } from './letters.js'
import { withProgram } from './programs.js'
import { runPython } from './python.js'
import { host, parsed, password, recipientsOf, username, withoutTrace } from './submission.js'

interface SmtplibAnswer extends Answer {
  /** The exception, where there was one. */
  readonly error?: string
  readonly refused?: Record<string, [number, string]>
  /** What went over the wire as the message, in base64. */
  readonly sent: readonly string[]
}

withProgram('smtplib', (python) => {
  const send = (task: object) =>
    runPython<SmtplibAnswer>(python, 'smtplib-client.py', { host, tls: 'starttls', ...task })
  const name = 'smtplib'
  const client = {
    name,
    distrust: /CERTIFICATE_VERIFY_FAILED/,
    run: ({ data, ...errand }: Errand) => send({ ...errand, data: data.toString('base64') }),
  }
  const { submission, run } = testClient(client)
  const login = () => ({ port: submission().port, ca: submission().caFile, username, password })

  describe('smtplib: what it alone can do', () => {
    test('send_message: what Python composed arrives byte for byte, Bcc in the envelope only', async () => {
      const headers = { From: 'Ann <ann@example.com>', To: 'Bob <bob@example.org>', Subject: utf8Subject }
      const message = { headers: { ...headers, Bcc: 'secret@example.net' }, text: utf8Text }
      const { ok, said, sent } = await send({ ...login(), message })
      expect(ok, said).toBe(true)
      const messages = await submission().arrived(2)
      expect(recipientsOf(messages)).toEqual(['bob@example.org', 'secret@example.net'])
      for (const arrived of messages) {
        const { headers, subject, text, messageId, date } = await parsed(arrived)
        expect([subject, text?.trim(), headers.has('bcc')]).toEqual([utf8Subject, utf8Text.trim(), false])
        expect(messageId).toMatch(/@example\.com>$/)
        expect(Math.abs(Date.now() - (date?.getTime() ?? 0))).toBeLessThan(60_000)
        expect(arrived.bytes.subarray(-Buffer.from(`${sent[0]}`, 'base64').length)).toEqual(
          Buffer.from(`${sent[0]}`, 'base64'),
        )
      }
    })

    test('send_message with international local parts goes out under SMTPUTF8, headers in UTF-8', async () => {
      const headers = {
        From: 'Zoë <zoë@example.com>',
        To: 'Jürgen <jürgen@example.org>',
        Subject: utf8Subject,
        Date: 'Mon, 02 Nov 2026 08:00:00 +0000',
        'Message-ID': '<given-0002@example.com>',
      }
      const message = { headers, text: utf8Text, encoding: '8bit' }
      const { ok, said, sent } = await send({ ...login(), message })
      expect(ok, said).toBe(true)
      const [arrived] = await submission().arrived(1)
      expect(arrived).toMatchObject({ from: 'zoë@example.com', to: ['jürgen@example.org'] })
      expect(withoutTrace(arrived)).toEqual(Buffer.from(`${sent[0]}`, 'base64'))
      expect(arrived?.bytes.includes(Buffer.from('To: Jürgen <jürgen@example.org>'))).toBe(true)
    })

    test('BODY=8BITMIME is taken', async () => {
      const data = letter(latin1Text, textHeaders('iso-8859-1'))
      const errand = { from: 'ann@example.com', to: ['bob@example.org'], data: data.toString('base64') }
      const { ok, said } = await send({ ...login(), ...errand, mail_options: ['BODY=8BITMIME'] })
      expect(ok, said).toBe(true)
      const [arrived] = await submission().arrived(1)
      expect(withoutTrace(arrived)).toEqual(data)
    })

    test('a bare line feed is refused with a reason, since relays disagree on where such a message ends', async () => {
      const data = Buffer.from(letter('one\r\ntwo\nthree\r\n'))
      const { said } = await expectNothing(submission(), () => run({ data }))
      expect(said).toMatch(/SMTPDataError: \(55\d.*(bare|line|CRLF)/i)
    })

    test('the reply to a refused recipient says which and why', async () => {
      const to = ['bob@example.org', 'nobody@-no-label-.example']
      const answer = (await run({ to })) as SmtplibAnswer
      expect(Object.keys(answer.refused ?? {})).toEqual(['nobody@-no-label-.example'])
      expect(answer.refused?.['nobody@-no-label-.example']?.[0]).toBeGreaterThanOrEqual(500)
      await submission().arrived(1)
    })

    test('a message over the size limit is refused at MAIL FROM, before it is sent', async () => {
      const data = letter('x'.repeat(76).concat('\r\n').repeat(30_000))
      const answer = (await expectNothing(submission(), () => run({ data }))) as SmtplibAnswer
      expect([answer.error, answer.sent]).toEqual(['SMTPSenderRefused', []])
      expect(answer.said).toContain('552')
    })

    test('without TLS there is no login to be had, so no password goes out in the clear', async () => {
      const task = { ...login(), tls: 'none', from: 'ann@example.com', to: ['bob@example.org'] }
      const answer = await expectNothing(submission(), () =>
        send({ ...task, data: letter().toString('base64') }),
      )
      expect(answer.said).toContain('SMTPNotSupportedError')
    })

    test('without a login nothing is taken', async () => {
      const errand = { from: 'ann@example.com', to: ['bob@example.org'], data: letter().toString('base64') }
      const { port, ca } = login()
      const answer = await expectNothing(submission(), () => send({ port, ca, ...errand }))
      expect(answer.said).toMatch(/SMTPSenderRefused: \(530/)
    })
  })

  withProgram('dkimpy', (pythonWithDkim) => testSignature(pythonWithDkim, submission, run))
})

function testSignature(python: string, submission: Errands['submission'], run: Errands['run']): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const key = privateKey.export({ type: 'pkcs1', format: 'pem' })
  const record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`
  const sign = async (message: Buffer) => {
    const headers = ['from', 'to', 'subject', 'date', 'message-id', 'content-type']
    const task = { do: 'sign', data: message.toString('base64'), headers, key }
    const { signed } = await runPython<{ signed: string }>(python, 'dkim-message.py', task)
    return Buffer.from(signed, 'base64')
  }
  const verify = async (message: Buffer) => {
    const task = { do: 'verify', data: message.toString('base64'), record }
    return (await runPython<{ valid: boolean }>(python, 'dkim-message.py', task)).valid
  }

  test('dkimpy: a signature made by the client still verifies when the message has arrived', async () => {
    const subject = { Subject: 'folded\r\n\tand  spaced ' }
    const data = await sign(letter(`${utf8Text}${dots}\r\n\r\n`, { ...subject, ...textHeaders('utf-8') }))
    const { ok, said } = await run({ data })
    expect(ok, said).toBe(true)
    const arrived = (await submission().arrived(1))[0]?.bytes ?? Buffer.alloc(0)
    expect(await verify(arrived)).toBe(true)
    const altered = Buffer.from(arrived)
    altered.write('G', altered.indexOf('Grüße') + 1)
    expect(await verify(altered)).toBe(false)
  })
}
