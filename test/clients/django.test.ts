import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { MailQueue } from '../../src/index.js'
import { openIngress } from '../../src/ingress/ingress.js'
import { openForwarder } from './forwarder.js'
import { megabyte, utf8Subject } from './letters.js'
import { withProgram } from './programs.js'
import { runPython } from './python.js'
import {
  host,
  openSubmission,
  parsed,
  password,
  quiet,
  recipientsOf,
  type Submission,
  username,
} from './submission.js'

type Result = { readonly sent: number } | { readonly error: string; readonly text: string }
type Step = Record<string, unknown>

const hello = { subject: 'Hello', message: 'Hi Bob.', from_email: 'Shop <shop@example.com>' }
const sendMail: Step = { do: 'send_mail', ...hello, recipient_list: ['bob@example.org'] }
const notAnAddress = 'nobody@-no-label-.example'
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

withProgram('django', (python) => {
  let submission: Submission
  beforeAll(async () => {
    submission = await openSubmission()
  })
  afterAll(() => submission[Symbol.asyncDispose]())
  beforeEach(() => submission.flow.sink.clear())

  const login = () => ({
    EMAIL_HOST: host,
    EMAIL_PORT: submission.port,
    EMAIL_HOST_USER: username,
    EMAIL_HOST_PASSWORD: password,
    EMAIL_USE_TLS: true,
  })
  const runApp = (
    steps: readonly Step[],
    settings: Record<string, unknown> = {},
    { verify = false, env = { SSL_CERT_FILE: submission.caFile } as Record<string, string> } = {},
  ) =>
    runPython<Result[]>(
      python,
      'django-app.py',
      { settings: { ...login(), ...settings }, steps, verify },
      env,
    )

  describe("Django's own SMTP backend", () => {
    test.each([
      ['EMAIL_USE_TLS', 'EMAIL_TIMEOUT = None', () => ({ EMAIL_TIMEOUT: null })],
      ['EMAIL_USE_TLS', 'EMAIL_TIMEOUT = 10', () => ({ EMAIL_TIMEOUT: 10 })],
      [
        'EMAIL_USE_SSL',
        'EMAIL_TIMEOUT = None',
        () => ({
          EMAIL_USE_TLS: false,
          EMAIL_USE_SSL: true,
          EMAIL_PORT: submission.securePort,
          EMAIL_TIMEOUT: null,
        }),
      ],
    ])('send_mail over %s with %s arrives', async (_, __, settings) => {
      expect(await runApp([sendMail], settings())).toEqual([{ sent: 1 }])
      const [message] = await submission.arrived(1)
      expect(message).toMatchObject({ from: 'shop@example.com', to: ['bob@example.org'] })
      const mail = await parsed(message)
      expect([mail.subject, mail.text?.trim(), mail.from?.text]).toEqual([
        'Hello',
        'Hi Bob.',
        '"Shop" <shop@example.com>',
      ])
    })

    test('text, HTML, an attached file, an inline image, Cc, Bcc, Reply-To and headers all arrive', async () => {
      const message = {
        subject: utf8Subject,
        body: 'Grüße ✉\n.dot\n',
        html: '<p>Grüße <img src="cid:logo"></p>',
        from_email: 'Zoë <shop@example.com>',
        to: ['Bob <bob@example.org>', 'ann@bücher.example'],
        cc: ['carla@example.org'],
        bcc: ['secret@example.net'],
        reply_to: ['help@example.com'],
        headers: { 'X-Order': '42', 'List-Unsubscribe': '<https://example.com/u/1>' },
        attachments: [['Übersicht.bin', megabyte.toString('base64'), 'application/octet-stream']],
        inline: [['logo', png.toString('base64')]],
      }
      expect(await runApp([{ do: 'message', ...message }])).toEqual([{ sent: 1 }])
      const messages = await submission.arrived(4)
      expect(recipientsOf(messages)).toEqual([
        'ann@xn--bcher-kva.example',
        'bob@example.org',
        'carla@example.org',
        'secret@example.net',
      ])
      for (const arrived of messages) expect(arrived.bytes.includes('secret')).toBe(false)
      const mail = await parsed(messages[0])
      expect(mail.subject).toBe(utf8Subject)
      expect(mail.text?.trim()).toBe('Grüße ✉\n.dot')
      expect(mail.html).toContain('<p>Grüße <img')
      expect(mail.replyTo?.text).toBe('help@example.com')
      expect(mail.headers.get('x-order')).toBe('42')
      expect(mail.headers.has('bcc')).toBe(false)
      expect(`${messages[0]?.bytes}`).toMatch(/^List-Unsubscribe: <https:\/\/example\.com\/u\/1>\r$/m)
      const [image, file] = [...mail.attachments].sort((a, b) => a.size - b.size)
      expect([image?.cid, image?.content.equals(png)]).toEqual(['logo', true])
      expect([file?.filename, file?.content.equals(megabyte)]).toEqual(['Übersicht.bin', true])
    })

    test('send_mass_mail of 50 takes one connection and loses none', async () => {
      await using forwarder = await openForwarder(submission.port)
      const indexes = Array.from({ length: 50 }, (_, index) => index)
      const messages = indexes.map((index) => [
        `Hello ${index}`,
        `Text ${index}`,
        'shop@example.com',
        [`r${index}@example.org`],
      ])
      const settings = { EMAIL_PORT: forwarder.port }
      expect(await runApp([{ do: 'send_mass_mail', messages }], settings)).toEqual([{ sent: 50 }])
      expect(forwarder.connections).toBe(1)
      const arrived = await submission.arrived(50)
      const found = await Promise.all(
        arrived.map(async (message) => {
          const { subject, text } = await parsed(message)
          return [message.to.join(), subject, text?.trim()].join('|')
        }),
      )
      expect(found.sort()).toEqual(
        indexes.map((index) => `r${index}@example.org|Hello ${index}|Text ${index}`).sort(),
      )
    })

    test('one refused message of a send_mass_mail that fails silently does not keep back the others', async () => {
      const messages = ['bob@example.org', notAnAddress, 'carla@example.org'].map((to) => [
        'Hello',
        'Text',
        'shop@example.com',
        [to],
      ])
      const results = await runApp([{ do: 'send_mass_mail', messages, fail_silently: true }])
      expect(results).toEqual([{ sent: 2 }])
      expect(recipientsOf(await submission.arrived(2))).toEqual(['bob@example.org', 'carla@example.org'])
    })

    test('a refused recipient is SMTPRecipientsRefused with our reply; beside others it stops nobody', async () => {
      const [alone, beside] = await runApp([
        { ...sendMail, recipient_list: [notAnAddress] },
        { ...sendMail, recipient_list: [notAnAddress, 'bob@example.org'] },
      ])
      expect(alone).toMatchObject({ error: 'SMTPRecipientsRefused', text: expect.stringMatching(/5\d\d/) })
      expect(beside).toEqual({ sent: 1 })
      expect(recipientsOf(await submission.arrived(1))).toEqual(['bob@example.org'])
    })

    test('a message over the size limit says so', async () => {
      const before = await submission.accepted()
      const [result] = await runApp([{ ...sendMail, message: `${'x'.repeat(70)}\n`.repeat(32_000) }])
      expect(result).toMatchObject({
        error: expect.stringMatching(/^SMTP/),
        text: expect.stringMatching(/^552/),
      })
      expect(await submission.accepted()).toBe(before)
    })

    test('a wrong password is SMTPAuthenticationError, and silent where that was asked for', async () => {
      const settings = { EMAIL_HOST_PASSWORD: 'wrong' }
      const [loud, silent] = await runApp([sendMail, { ...sendMail, fail_silently: true }], settings)
      expect(loud).toMatchObject({ error: 'SMTPAuthenticationError', text: expect.stringMatching(/^535/) })
      expect(silent).toEqual({ sent: 0 })
      expect(submission.flow.sink.messages).toEqual([])
    })

    test('without TLS it gets no login, so the password stays at home', async () => {
      const [result] = await runApp([sendMail], { EMAIL_USE_TLS: false })
      expect(result).toMatchObject({ error: 'SMTPNotSupportedError' })
      expect(submission.flow.sink.messages).toEqual([])
    })

    test('where it verifies certificates, ours has to be trusted', async () => {
      const strangers = await runApp([sendMail], {}, { verify: true, env: {} })
      expect(strangers).toMatchObject([{ error: 'SSLCertVerificationError' }])
      expect(submission.flow.sink.messages).toEqual([])
      expect(await runApp([sendMail], {}, { verify: true })).toEqual([{ sent: 1 }])
      await submission.arrived(1)
    })
  })

  test('with Redis away Django gets 451, or 0 where it is to fail silently', async () => {
    const redis = await openPrivateRedis()
    await using queue = new MailQueue({ redis: redis.url })
    // No users: on loopback that is allowed, and is what a developer's machine has.
    await using ingress = await openIngress({ queue, port: 0, logger: quiet })
    const settings = {
      EMAIL_PORT: ingress.port,
      EMAIL_USE_TLS: false,
      EMAIL_HOST_USER: '',
      EMAIL_HOST_PASSWORD: '',
    }
    try {
      expect(await runApp([sendMail], settings)).toEqual([{ sent: 1 }])
    } finally {
      await redis.close()
    }
    const [loud, silent] = await runApp([sendMail, { ...sendMail, fail_silently: true }], settings)
    expect(loud).toMatchObject({
      error: expect.stringMatching(/^SMTP/),
      text: expect.stringMatching(/^451 /),
    })
    expect(silent).toEqual({ sent: 0 })
  })
})
