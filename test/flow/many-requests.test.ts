import { type ParsedMail, simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { BulkSender, type EmailFields } from '../../src/index.js'
import type { RecordedMessage } from '../../src/sink/sink.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'

const REQUESTS = 32
const EMAILS = 1000

/** An email with one token in five places. */
function emailOf(token: string): EmailFields {
  return {
    subject: `Subject ${token}`,
    recipients: [`${token}@example.com`],
    headers: { 'X-Token': token },
    body: `<p>Your token is <b>${token}</b>.</p>`,
    htmlBody: true,
    attachments: [{ filename: `${token}.txt`, content: `attached ${token}` }],
  }
}

/** As many requests at the same time, each with its share of the emails. */
async function inRequests(send: (fields: EmailFields) => Promise<unknown>): Promise<void> {
  const request = async (number: number) => {
    for (let index = number; index < EMAILS; index += REQUESTS) await send(emailOf(`t${index}`))
  }
  await Promise.all(Array.from({ length: REQUESTS }, (_, number) => request(number)))
}

function tokensOf(recorded: RecordedMessage, parsed: ParsedMail): unknown[] {
  const [attachment] = parsed.attachments
  return [
    recorded.to.map((address) => address.replace('@example.com', '')).join(),
    parsed.subject?.replace('Subject ', ''),
    parsed.headers.get('x-token'),
    /token is (\w+)\./.exec(parsed.text ?? '')?.[1],
    /<b>(\w+)<\/b>/.exec(parsed.html || '')?.[1],
    attachment?.filename?.replace('.txt', ''),
    attachment?.content.toString().replace('attached ', ''),
  ]
}

async function expectAgreement(flow: MailFlow): Promise<void> {
  const { messages } = flow.sink
  expect(messages).toHaveLength(EMAILS)
  const seen = new Set<unknown>()
  for (const recorded of messages) {
    const tokens = tokensOf(recorded, await simpleParser(recorded.bytes))
    const [token] = tokens
    expect(tokens).toEqual(Array(tokens.length).fill(token))
    expect(token).toMatch(/^t\d+$/)
    seen.add(token)
  }
  expect(seen.size).toBe(EMAILS)
}

test('one mailer serves many requests at once, and none gets the words of another', async () => {
  await using flow = await openMailFlow()
  await inRequests(async (fields) => {
    const { accepted } = await flow.mail.send(fields)
    expect(accepted).toEqual(fields.recipients)
  })
  await expectAgreement(flow)
})

test('so do emails that are created first and sent in another order', async () => {
  await using flow = await openMailFlow()
  const emails = Array.from({ length: EMAILS }, (_, index) => flow.mail.create(emailOf(`t${index}`)))
  await Promise.all(emails.toReversed().map((email) => email.send()))
  await expectAgreement(flow)
})

test('one BulkSender serves many requests at once', async () => {
  await using flow = await openMailFlow()
  const bulk = new BulkSender(flow.mail)
  const request = async (number: number) => {
    const indexes = Array.from({ length: EMAILS }, (_, index) => index).filter(
      (index) => index % REQUESTS === number,
    )
    const { sent, failed } = await bulk.sendBatch(indexes.map((index) => emailOf(`t${index}`)))
    expect([sent, failed]).toEqual([indexes.length, 0])
  }
  await Promise.all(Array.from({ length: REQUESTS }, (_, number) => request(number)))
  await expectAgreement(flow)
})

test('one queue serves many requests at once', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  await inRequests((fields) => flow.queue.enqueue(flow.mail.create(fields)))
  await flow.sink.waitForMessages(EMAILS)
  await expectAgreement(flow)
})
