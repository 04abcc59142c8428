// One message from its bytes to the queue: made into a RawMessage, enqueued, counted and logged.
// It resolves only once Redis has it. Whatever goes wrong comes out as a Refusal.

import type { MailQueue } from '../mail-queue.js'
import { MAX_HEADER_BYTES } from '../message/raw-headers.js'
import { createRawMessage, type RawMessage } from '../message/raw-message.js'
import type { Receipt } from '../queue/enqueue.js'
import { Refusal, refusalOfMessage, refusalOfQueue } from './refusal.js'

export interface Submission {
  /** MAIL FROM; `''` is the null reverse-path. */
  readonly sender: string
  readonly recipients: readonly string[]
  readonly bytes: Buffer
  /** The Received header. */
  readonly trace: string
  readonly lane: string
  readonly route: string | undefined
}

interface SubmitContext {
  readonly queue: Pick<MailQueue, 'enqueue'>
  readonly domain: string
  now(): number
}

/** A server that hands its mail to itself would go on for ever (RFC 5321, 6.3). */
const MAX_RECEIVED = 100

/** @throws Refusal */
export async function submit(submission: Submission, { queue, ...context }: SubmitContext): Promise<Receipt> {
  const { lane, route } = submission
  const message = composed(submission, context)
  try {
    return await queue.enqueue(message, { lane, ...(route === undefined ? {} : { route }) })
  } catch (error) {
    throw refusalOfQueue(error)
  }
}

function composed(
  { sender, recipients, bytes, trace }: Submission,
  context: Omit<SubmitContext, 'queue'>,
): RawMessage {
  if (receivedCount(bytes) >= MAX_RECEIVED) throw new Refusal(554, '5.4.6 The message goes in circles')
  try {
    return createRawMessage({ from: sender, to: recipients, bytes, trace }, context)
  } catch (error) {
    throw refusalOfMessage(error)
  }
}

function receivedCount(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n\r\n')
  // A longer header is refused anyway.
  const header = bytes.toString('latin1', 0, end === -1 ? MAX_HEADER_BYTES : Math.min(end, MAX_HEADER_BYTES))
  return header.match(/^received[ \t]*:/gim)?.length ?? 0
}
