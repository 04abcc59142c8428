// What a caller may ask of an SMTP connection and no queue can keep: refused, with what to use instead.
// Whatever stands in `sendMail` and would change how a message travels is carried or named here.

import { fieldError } from '../message/field-error.js'
import { fieldOf, type MailData } from './composed-mail.js'

const reports =
  'Ask queue.delivery(id) how each of info.deliveries ended; relays send bounces to envelope.from'
const requiredTls = 'Set useTls or useSsl on the relay of the worker, and name its route in fluxmail.route'

const refusedFields: Readonly<Record<string, string>> = {
  dsn: reports,
  requireTLSExtensionEnabled: requiredTls,
  auth: 'Give the credentials to the relay of the worker, and name its route in fluxmail.route',
  ses: 'Give the SMTP endpoint of SES to the worker as a relay, and its parameters as X-SES headers',
}
const refusedInEnvelope: Readonly<Record<string, string>> = {
  dsn: reports,
  requireTLSExtensionEnabled: requiredTls,
}
/** SIZE and BODY are said by the worker, from the message itself. */
const knownInEnvelope = ['from', 'to', 'cc', 'bcc', 'size', 'use8BitMime']

/** @throws FluxMailError `invalid_params` */
export function refuseFields(data: MailData): void {
  for (const [name, advice] of Object.entries(refusedFields)) {
    if (fieldOf(data, name)) throw cannotTravel(name, advice)
  }
  const envelope = fieldOf(data, 'envelope')
  if (!envelope) return
  if (typeof envelope !== 'object') {
    throw fieldError('invalid_params', 'envelope', 'it is no object', 'Give { from, to }')
  }
  for (const [name, value] of Object.entries(envelope)) {
    if (knownInEnvelope.includes(name) || !value) continue
    const advice = refusedInEnvelope[name] ?? `Leave it out; known are ${knownInEnvelope.join(', ')}`
    throw cannotTravel(`envelope.${name}`, advice)
  }
}

function cannotTravel(field: string, advice: string) {
  return fieldError('invalid_params', field, 'a queued message cannot carry it to the relay', advice)
}
