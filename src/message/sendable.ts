// Whether an email can be sent or queued: one for Outlook has no sender, and is opened in Outlook instead.

import { FluxMailError } from '../errors.js'
import type { EmailParts, SendableParts } from './email-parts.js'
import { fieldError } from './field-error.js'

const openIt = "open it there with display() or toDraft(path), or create it with objectType: 'smtp'"

const refusals = {
  outlook_no_send: `an email for Outlook is sent from Outlook: ${openIt}`,
  outlook_no_async: `an email for Outlook cannot be queued: ${openIt}`,
  outlook_no_connect: "Outlook has no relay to connect to: use objectType: 'smtp' for that",
} as const

/** What cannot be done for Outlook, and what to do instead. */
export function outlookRefusal(code: keyof typeof refusals): FluxMailError {
  return new FluxMailError(code, refusals[code])
}

/** The parts as those of an email with a sender. Throws `code` for an email for Outlook. */
export function requireSendable(
  parts: EmailParts,
  code: 'outlook_no_send' | 'outlook_no_async',
): SendableParts {
  if (isSendable(parts)) return parts
  throw outlookRefusal(code)
}

function isSendable(parts: EmailParts): parts is SendableParts {
  return parts.sender !== undefined
}

/** Outlook sends from its own account. @throws FluxMailError `outlook_no_sender` */
export function refuseSender(given: unknown): undefined {
  if (given === undefined) return undefined
  const advice = "Leave it out, or use objectType: 'smtp'"
  throw fieldError('outlook_no_sender', 'sender', 'Outlook sends from its own account', advice)
}
