// The same sendMail through Nodemailer's own SMTP transport and through ours with a worker, each to a sink of its own.

import { createTransport, type SendMailOptions, type Transporter } from 'nodemailer'
import { expect } from 'vitest'
import {
  type FluxMailError,
  type FluxmailTransportOptions,
  fluxmailTransport,
  type QueuedMail,
  type QueuedMessageInfo,
} from '../../src/index.js'
import { openSink, type RecordedMessage } from '../../src/sink/sink.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'

export type Mail = SendMailOptions & QueuedMail

/** What is random in a message that Nodemailer composes, held still; a mail may say otherwise. */
const still: SendMailOptions = {
  messageId: '<still@example.com>',
  date: new Date(Date.UTC(2026, 10, 22, 8)),
  baseBoundary: 'still',
}

export const base: Mail = {
  from: 'App <app@example.com>',
  to: 'a@example.com',
  subject: 'Hello',
  text: 'Hello',
}

export interface TwoDoors extends AsyncDisposable {
  readonly flow: MailFlow
  readonly queued: Transporter<QueuedMessageInfo>
  readonly smtp: Transporter
  /** Sends both ways, asserts that what the relay gets is the same, and resolves with it. `make` is called twice. */
  sendBoth(make: () => Mail): Promise<RecordedMessage[]>
  /** Asserts that `queued` refuses the mail and that nothing was enqueued. */
  refused(mail: Mail): Promise<FluxMailError>
}

export async function openTwoDoors(options: FluxmailTransportOptions = {}): Promise<TwoDoors> {
  const flow = await openMailFlow()
  await flow.work()
  const direct = await openSink({ httpPort: false })
  const queued = createTransport(fluxmailTransport(flow.queue, options), still)
  const smtp = createTransport({ host: '127.0.0.1', port: direct.smtpPort, ignoreTLS: true }, still)
  return {
    flow,
    queued,
    smtp,
    async sendBoth(make) {
      await Promise.all([flow.sink.clear(), direct.clear()])
      await smtp.sendMail(make())
      const info = await queued.sendMail(make())
      await flow.sink.waitForMessages(info.accepted.length)
      expect(whatArrived(flow.sink.messages)).toEqual(whatArrived(direct.messages))
      return [...flow.sink.messages]
    },
    async refused(mail) {
      const accepted = await acceptedBy(flow)
      const error = await queued.sendMail(mail).then(
        () => expect.fail('it was taken'),
        (thrown: FluxMailError) => thrown,
      )
      expect(error).toMatchObject({ name: 'FluxMailError' })
      expect(await acceptedBy(flow)).toBe(accepted)
      return error
    },
    async [Symbol.asyncDispose]() {
      smtp.close()
      queued.close()
      await direct.close()
      await flow[Symbol.asyncDispose]()
    },
  }
}

export async function acceptedBy({ queue }: MailFlow): Promise<number> {
  const lanes = await queue.status()
  return lanes.reduce((sum, { accepted }) => sum + accepted, 0)
}

/** One transaction to three recipients and three transactions to one each are the same to them. */
function whatArrived(messages: readonly RecordedMessage[]) {
  return {
    from: new Set(messages.map(({ from }) => from)),
    to: messages.flatMap(({ to }) => to).sort(),
    bytes: [...new Set(messages.map(({ bytes }) => textOf(bytes)))],
  }
}

/** As Latin-1, so that each byte counts; the Content-IDs that Nodemailer draws for data URLs are held still. */
function textOf(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll(/[0-9a-f]{20}@localhost/g, 'drawn@localhost')
}
