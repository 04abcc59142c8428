// What tells one email from another under the same idempotency key: all that its caller gave, and nothing that was
// made for it. Pure: the same email gives the same words, in whichever process it was created.

import { createHash } from 'node:crypto'
import type { Content, ContentBundle } from '../content/content.js'
import { Email } from '../message/email.js'
import { readRawHeaders } from '../message/raw-headers.js'
import type { RawMessage } from '../message/raw-message.js'

/** Made anew whenever a message is composed or passed on. */
const madeAnew = new Set(['date', 'message-id', 'dkim-signature', 'received'])
/** Each takes a look at all of the message. */
const MAX_BOUNDARIES = 20

export function fingerprintOf(
  bundle: ContentBundle,
  email: Email | RawMessage,
  options: readonly (string | number)[],
): string {
  const given = email instanceof Email ? givenParts(bundle.content, email) : givenBytes(email)
  const envelope = email.recipients.map(({ address }) => address)
  return createHash('sha256')
    .update(JSON.stringify([given, envelope, ...options]))
    .digest('hex')
}

/** Files stand in a content by their hash. */
function givenParts(content: Content, { parts }: Email): object {
  const { messageId, date, ...given } = { messageId: '', date: '', ...content }
  return {
    ...given,
    ...(parts.isMessageIdGiven ? { messageId } : {}),
    ...(parts.isDateGiven ? { date } : {}),
  }
}

/** Composed again, the same message has another Date, Message-ID and signature, and other boundaries. */
function givenBytes({ sender, bytes }: RawMessage): object {
  const { headers, bodyAt } = readRawHeaders(bytes)
  const kept = headers
    .filter(({ name }) => !madeAnew.has(name))
    .map(({ start, end }) => bytes.toString('latin1', start, end))
  const text = kept.join('') + bytes.toString('latin1', bodyAt)
  const boundaries = [...text.matchAll(/\bboundary="?([^"\s;]{8,70})/gi)].map(([, boundary = '']) => boundary)
  const plain = [...new Set(boundaries)]
    .slice(0, MAX_BOUNDARIES)
    .reduce((rest, boundary, index) => rest.replaceAll(boundary, `boundary-${index}`), text)
  return { sender, message: createHash('sha256').update(plain, 'latin1').digest('hex') }
}
