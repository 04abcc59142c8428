// One message from its bytes to the queue: made into a RawMessage, enqueued, counted and logged.
// It resolves only once Redis has it. Whatever goes wrong comes out as a Refusal.

import { createHash, randomBytes } from 'node:crypto'
import type { MailQueue } from '../mail-queue.js'
import { MAX_HEADER_BYTES } from '../message/raw-headers.js'
import { createRawMessage, type RawMessage } from '../message/raw-message.js'
import type { Receipt } from '../queue/enqueue.js'
import { Refusal, refusalOfMessage, refusalOfQueue } from './refusal.js'

export interface Submission {
  /** Of whoever logged in; `''` where nobody has to. */
  readonly user: string
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

/**
 * For how long a message that comes again is known: a client that heard 451 or nothing at all, although Redis has the
 * message, tries again within minutes. Clients that come later than that are taken at their word.
 */
const REPEAT_SECONDS = 900

/** @throws Refusal */
export async function submit(submission: Submission, { queue, ...context }: SubmitContext): Promise<Receipt> {
  const { lane, route } = submission
  const { message, isNamed } = composed(submission, context)
  // Without a Message-ID of its own the same message twice may be meant as two.
  const once = isNamed
    ? { idempotencyKey: keyOf(submission), idempotencyTtlSeconds: REPEAT_SECONDS }
    : undefined
  try {
    return await queue.enqueue(message, { lane, ...(route === undefined ? {} : { route }), ...once })
  } catch (error) {
    throw refusalOfQueue(error)
  }
}

/** What a client says again when it repeats a message; what is added here is another one each time. */
function keyOf({ user, sender, recipients, bytes, lane, route = '' }: Submission): string {
  const envelope = JSON.stringify([user, sender, recipients, lane, route])
  return `ingress ${createHash('sha256').update(`${envelope}\n`).update(bytes).digest('base64url')}`
}

function composed(
  { sender, recipients, bytes, trace }: Submission,
  context: Omit<SubmitContext, 'queue'>,
): { message: RawMessage; isNamed: boolean } {
  if (receivedCount(bytes) >= MAX_RECEIVED) throw new Refusal(554, '5.4.6 The message goes in circles')
  let isNamed = true
  // It is asked for only where the message has no Message-ID.
  const randomId = () => {
    isNamed = false
    return randomBytes(16).toString('hex')
  }
  try {
    const message = createRawMessage({ from: sender, to: recipients, bytes, trace }, { ...context, randomId })
    return { message, isNamed }
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
