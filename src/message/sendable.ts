// Whether an email can be sent or queued: one for Outlook has no sender, and is opened in Outlook instead.

import { FluxMailError } from '../errors.js'
import type { EmailParts, SendableParts } from './email-parts.js'

const refusals = {
  outlook_no_send: 'an email for Outlook is sent from Outlook',
  outlook_no_async: 'an email for Outlook cannot be queued',
} as const

const advice = "open it there with display() or toDraft(path), or create it with objectType: 'smtp'"

/** The parts as those of an email with a sender. Throws `code` for an email for Outlook. */
export function requireSendable(parts: EmailParts, code: keyof typeof refusals): SendableParts {
  if (isSendable(parts)) return parts
  throw new FluxMailError(code, `${refusals[code]}: ${advice}`)
}

function isSendable(parts: EmailParts): parts is SendableParts {
  return parts.sender !== undefined
}
