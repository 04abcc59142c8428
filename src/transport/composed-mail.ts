// What Nodemailer hands a transport, in the words that we use of it: any Nodemailer has these, ours or the app's own.
// No type of the package stands here, so that an app's version of it need not be ours.

import type { Readable, Transform } from 'node:stream'

/** The fields that `sendMail` was given, with the defaults of the transporter. */
export type MailData = object

/** The message as Nodemailer has composed it, plugins and signing included. */
export interface ComposedMessage {
  getEnvelope(): { from: string | false; to: string[] }
  getHeader(name: string): unknown
  transform(step: () => Transform): void
  createReadStream(): Readable
}

export interface ComposedMail {
  readonly data: MailData
  readonly message: ComposedMessage
}

/** An own field of what the caller gave; undefined where there is none. */
export function fieldOf(data: object, name: string): unknown {
  return Object.hasOwn(data, name) ? Reflect.get(data, name) : undefined
}
