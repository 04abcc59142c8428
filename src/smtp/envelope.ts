// The envelope of a message: what it is told to a relay by, and what nodemailer is told of it.
// Pure; no address is checked here.

import type { SMTPEnvelope } from 'nodemailer/lib/smtp-connection'

/** What a message begins with. */
export interface Envelope {
  readonly from: string
  readonly to: readonly string[]
  /** Bytes. */
  readonly size: number
  readonly use8BitMime: boolean
  /** Says SMTPUTF8 in MAIL FROM also when both addresses are ASCII. */
  readonly smtpUtf8: boolean
}

/** It keeps and changes what it is given. */
export function toNodemailer({ from, to, size, use8BitMime }: Envelope): SMTPEnvelope {
  return { from, to: [...to], size, use8BitMime }
}

/** nodemailer looks at the addresses alone. */
export function withSmtpUtf8(command: string): string {
  const adds = command.startsWith('MAIL FROM:') && !command.includes('> SMTPUTF8')
  return adds ? command.replace('>', '> SMTPUTF8') : command
}
