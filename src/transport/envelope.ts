// Who gets the message and who sent it, as Nodemailer reads it and as we read it.
// Where the two readings differ the message is refused: nobody is added, and nobody is lost.

import { parseMailbox } from '../message/address.js'
import { fieldError, quoted } from '../message/field-error.js'
import { readAddressList } from './address-list.js'
import { type ComposedMail, fieldOf } from './composed-mail.js'

export interface Envelope {
  /** MAIL FROM; `''` is the null reverse-path. */
  readonly from: string
  /** RCPT TO, each address once. */
  readonly to: readonly string[]
}

interface Given {
  readonly field: string
  readonly value: unknown
}

const recipientFields = ['to', 'cc', 'bcc']

/** @throws FluxMailError `invalid_email`, `no_email`, `invalid_params`, `sender_required` */
export function readEnvelope({ data, message }: ComposedMail): Envelope {
  const envelope = message.getEnvelope()
  const own = fieldOf(data, 'envelope')
  const given = (name: string): Given =>
    typeof own === 'object' && own !== null
      ? { field: `envelope.${name}`, value: fieldOf(own, name) }
      : { field: name, value: message.getHeader(name) }
  const to = readRecipients(recipientFields.map(given), envelope.to)
  return { from: own ? readReversePath(given('from'), envelope.from) : readSender(given, envelope.from), to }
}

function readRecipients(fields: readonly Given[], understood: readonly string[]): string[] {
  const ours = new Set(fields.flatMap(({ field, value }) => readAddressList(value, field)))
  const theirs = new Set(understood.map((address) => parseMailbox(address, 'to').address))
  if (theirs.size === 0) {
    throw fieldError('invalid_params', 'to', 'nobody is addressed', 'Give an address in to, cc or bcc')
  }
  const odd =
    [...theirs].find((address) => !ours.has(address)) ?? [...ours].find((address) => !theirs.has(address))
  if (odd === undefined) return [...theirs]
  const advice = 'Give an array of single addresses; a plugin that changes them sets to, cc, bcc or envelope'
  throw fieldError('invalid_email', 'to', `it can be read with and without ${quoted(odd)}`, advice)
}

/** The sender of a given envelope, which may be nobody, but only in so many words. */
function readReversePath({ field, value }: Given, understood: string | false): string {
  if (value === '' || value === false || value === '<>') return ''
  const [address, ...others] = readAddressList(value, field)
  if (address !== undefined && others.length === 0) return agreed(address, understood, field)
  const advice = "Give one address, or '' for the null sender of a bounce"
  throw fieldError('invalid_params', field, 'it holds not one address', advice)
}

/** Nodemailer takes the first From, and where there is none Sender or Reply-To. */
function readSender(given: (name: string) => Given, understood: string | false): string {
  const from = given('from')
  const fields = from.value ? [from] : [given('sender'), given('reply-to')]
  const ours = fields.flatMap(({ field, value }) => readAddressList(value, field))
  if (!understood) {
    throw fieldError('sender_required', 'from', 'it is missing', "Give from, or envelope: { from: '', to }")
  }
  const theirs = parseMailbox(understood, 'from').address
  return agreed(ours.find((address) => address === theirs) ?? '', understood, 'from')
}

function agreed(ours: string, understood: string | false, field: string): string {
  if (understood && parseMailbox(understood, field).address === ours) return ours
  throw fieldError('invalid_email', field, 'it can be read in more than one way', 'Give { name, address }')
}
