// The Received header that a submission server puts before a message (RFC 5321, 4.4), without recipients or user name.
// Nothing that a client chose stands in it unless it is a host name or an address.

import { isIPv6 } from 'node:net'

export interface Trace {
  /** What the client said of itself in EHLO. */
  readonly helloName: string
  readonly remoteAddress: string
  /** What we call ourselves. */
  readonly domain: string
  readonly id: string
  /** Milliseconds since 1970. */
  readonly now: number
  readonly extended: boolean
  readonly smtpUtf8: boolean
  readonly secure: boolean
  readonly authenticated: boolean
}

const hostName = /^(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[a-f0-9:.ipv]+\])$/i

export function receivedHeader(trace: Trace): string {
  const { helloName, remoteAddress, domain, id, now } = trace
  const from = hostName.test(helloName) ? helloName : 'unknown'
  const literal = isIPv6(remoteAddress) ? `IPv6:${remoteAddress}` : remoteAddress
  const date = new Date(now).toUTCString().replace('GMT', '+0000')
  return `Received: from ${from} ([${literal}])\r\n\tby ${domain} with ${protocolOf(trace)} id ${id};\r\n\t${date}\r\n`
}

/** RFC 3848, and RFC 6531, 4.3. */
function protocolOf({ extended, smtpUtf8, secure, authenticated }: Trace): string {
  if (!extended) return 'SMTP'
  return `${smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${secure ? 'S' : ''}${authenticated ? 'A' : ''}`
}
