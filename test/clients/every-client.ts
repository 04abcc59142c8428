// What holds for every client that is given a whole message: the tests that swaks, msmtp and smtplib share.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  dots,
  encodedSubject,
  latin1Text,
  letter,
  megabyte,
  textHeaders,
  utf8Subject,
  utf8Text,
  withAttachment,
} from './letters.js'
import {
  maxMessageBytes,
  openSubmission,
  parsed,
  password,
  recipientsOf,
  type Submission,
  username,
  withoutTrace,
} from './submission.js'

/** One message, and how to hand it in. */
export interface Errand {
  readonly port: number
  readonly tls: 'starttls' | 'implicit'
  /** A file with the certificate to trust; without it, what the machine trusts. */
  readonly ca: string | undefined
  readonly username: string
  readonly password: string
  readonly from: string
  readonly to: readonly string[]
  /** Lines ended by CRLF. */
  readonly data: Buffer
}

export interface Answer {
  readonly ok: boolean
  /** All that the client said of it. */
  readonly said: string
}

export interface Client {
  readonly name: string
  /** Whether one refused recipient makes it give up the whole message. */
  readonly allOrNothing?: true
  /** What it says of a certificate that it cannot verify. */
  readonly distrust: RegExp
  run(errand: Errand, folder: string): Promise<Answer>
}

/** The submission of this file, and what is handed in to it unless a test says otherwise. */
function openErrands(client: Client) {
  let submission: Submission
  beforeAll(async () => {
    submission = await openSubmission()
  })
  afterAll(() => submission[Symbol.asyncDispose]())
  beforeEach(() => submission.flow.sink.clear())
  return {
    submission: () => submission,
    run: (errand: Partial<Errand> = {}) =>
      client.run(
        {
          port: submission.port,
          tls: 'starttls',
          ca: submission.caFile,
          username,
          password,
          from: 'ann@example.com',
          to: ['bob@example.org'],
          data: letter(),
          ...errand,
        },
        submission.folder,
      ),
  }
}

export type Errands = ReturnType<typeof openErrands>

export function testClient(client: Client): Errands {
  const errands = openErrands(client)
  describe(`${client.name}: TLS and login`, () => testTrust(client, errands))
  describe(`${client.name}: recipients`, () => testRecipients(client, errands))
  describe(`${client.name}: contents`, () => testContents(errands))
  return errands
}

/** Neither acknowledged by the queue nor seen by the sink. */
export async function expectNothing(submission: Submission, refused: () => Promise<Answer>): Promise<Answer> {
  const before = await submission.accepted()
  const answer = await refused()
  expect(answer.ok, answer.said).toBe(false)
  expect(await submission.accepted()).toBe(before)
  expect(submission.flow.sink.messages).toEqual([])
  return answer
}

function testTrust(client: Client, { submission, run }: Errands): void {
  test('STARTTLS and a login deliver every byte that was handed in', async () => {
    const answer = await run()
    expect(answer.ok, answer.said).toBe(true)
    const [message] = await submission().arrived(1)
    expect(message).toMatchObject({ from: 'ann@example.com', to: ['bob@example.org'] })
    expect(withoutTrace(message)).toEqual(letter())
  })

  test('TLS from the start and a login do as well', async () => {
    const answer = await run({ tls: 'implicit', port: submission().securePort })
    expect(answer.ok, answer.said).toBe(true)
    const [message] = await submission().arrived(1)
    expect(withoutTrace(message)).toEqual(letter())
  })

  test('a wrong password is refused with 535, and nothing is sent', async () => {
    const { said } = await expectNothing(submission(), () => run({ password: 'wrong' }))
    expect(said).toContain('535')
    expect(said).not.toContain(password)
  })

  test.each(['starttls', 'implicit'] as const)(
    'a certificate that the client cannot verify stops it (%s)',
    async (tls) => {
      const port = tls === 'implicit' ? submission().securePort : submission().port
      const { said } = await expectNothing(submission(), () => run({ tls, port, ca: undefined }))
      expect(said).toMatch(client.distrust)
    },
  )
}

function testRecipients(client: Client, { submission, run }: Errands): void {
  test('recipients come from the envelope: each gets the message once, and Bcc is in nobody’s', async () => {
    const headers = { Cc: 'carla@example.org, not-in-the-envelope@example.org', Bcc: 'secret@example.net' }
    const to = ['bob@example.org', 'carla@example.org', 'secret@example.net']
    const answer = await run({ to, data: letter('Hi.\r\n', headers) })
    expect(answer.ok, answer.said).toBe(true)
    const messages = await submission().arrived(3)
    expect(recipientsOf(messages)).toEqual(to)
    for (const message of messages) {
      expect(withoutTrace(message)).toEqual(letter('Hi.\r\n', { Cc: headers.Cc }))
      expect(message.bytes.includes('secret')).toBe(false)
    }
  })

  test('a recipient that is no address is refused by itself', async () => {
    const to = ['bob@example.org', 'nobody@-no-label-.example', 'carla@example.org']
    if (client.allOrNothing) {
      const { said } = await expectNothing(submission(), () => run({ to }))
      expect(said).toMatch(/nobody@-no-label-\.example[\s\S]*5\d\d/)
      return
    }
    const { said } = await run({ to })
    expect(said).toMatch(/55[0-9]|501|nobody@-no-label-\.example/)
    const messages = await submission().arrived(2)
    expect(recipientsOf(messages)).toEqual(['bob@example.org', 'carla@example.org'])
  })
}

function testContents({ submission, run }: Errands): void {
  const deliver = async (data: Buffer) => {
    const answer = await run({ data })
    expect(answer.ok, answer.said).toBe(true)
    return (await submission().arrived(1))[0]
  }

  test('a UTF-8 subject and body arrive', async () => {
    const data = letter(utf8Text, { Subject: encodedSubject, ...textHeaders('utf-8') })
    const message = await deliver(data)
    expect(withoutTrace(message)).toEqual(data)
    const { subject, text } = await parsed(message)
    expect([subject, text?.trim()]).toEqual([utf8Subject, utf8Text.trim()])
  })

  test('8-bit bytes that are no UTF-8 arrive as they are', async () => {
    const data = letter(latin1Text, textHeaders('iso-8859-1'))
    expect(withoutTrace(await deliver(data))).toEqual(data)
  })

  test('a megabyte attached arrives whole', async () => {
    const message = await deliver(withAttachment(megabyte))
    const { attachments } = await parsed(message)
    expect(attachments.map(({ filename }) => filename)).toEqual(['all.bin'])
    expect(attachments[0]?.content.equals(megabyte)).toBe(true)
  })

  test('lines that begin with dots arrive as they were', async () => {
    const data = letter(dots)
    expect(withoutTrace(await deliver(data))).toEqual(data)
  })

  test('folded headers arrive as they were folded', async () => {
    const data = letter('Hi.\r\n', { Subject: 'one\r\n\ttwo \r\n  three', 'X-Order': '4\t2  ' })
    expect(withoutTrace(await deliver(data))).toEqual(data)
  })

  test('empty lines at the end arrive, no more and no fewer', async () => {
    const data = letter('The end\r\n\r\n\r\n')
    expect(withoutTrace(await deliver(data))).toEqual(data)
  })

  test('a Message-ID is given where there is none', async () => {
    const { messageId } = await parsed(await deliver(letter('Hi.\r\n', { 'Message-ID': undefined })))
    expect(messageId).toMatch(/^<[^<>@\s]+@example\.com>$/)
  })

  test('a message over the size limit is refused with 552, and nothing is sent', async () => {
    const data = letter(
      'x'
        .repeat(76)
        .concat('\r\n')
        .repeat(Math.ceil(maxMessageBytes / 78) + 1),
    )
    const { said } = await expectNothing(submission(), () => run({ data }))
    expect(said).toMatch(/552|size/i)
  })
}
