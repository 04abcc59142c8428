// Whose fault it is when a connection to a relay cannot be had and the relay gave no reply: by the error's code.
// None of these ever speaks of a recipient. A reply, where there is one, decides before this.

import type { Fault } from './outcome.js'

/** `ours` is nobody's fault at the relay: its circuit stays closed. */
const faults: Readonly<Record<string, Fault | 'ours'>> = {
  ECONNREFUSED: 'connect',
  ECONNRESET: 'connect',
  ECONNECTION: 'connect',
  ESOCKET: 'connect',
  EPIPE: 'connect',
  ETIMEDOUT: 'connect',
  EHOSTUNREACH: 'connect',
  EHOSTDOWN: 'connect',
  ENETUNREACH: 'connect',
  ENETDOWN: 'connect',
  ENOTFOUND: 'connect',
  EAI_AGAIN: 'connect',
  EDNS: 'connect',
  // It answers, and what it says is not SMTP or not TLS.
  EPROTOCOL: 'relay',
  EPROTO: 'relay',
  ETLS: 'relay',
  EAUTH: 'auth',
  EOAUTH2: 'auth',
  // Hung up here, a key of ours that cannot sign, or no socket left on this machine.
  ECONNABORTED: 'ours',
  EDKIM: 'ours',
  EMFILE: 'ours',
  ENFILE: 'ours',
  ENOBUFS: 'ours',
  ENOMEM: 'ours',
  EADDRNOTAVAIL: 'ours',
}

/** OpenSSL's and Node's codes: `CERT_HAS_EXPIRED`, `ERR_TLS_CERT_ALTNAME_INVALID`, `ERR_SSL_WRONG_VERSION_NUMBER`. */
const ofTls = /CERT|_SSL_|_TLS_|SIGNATURE|^INVALID_(?:CA|PURPOSE)$|^PATH_LENGTH_EXCEEDED$|^HOSTNAME_MISMATCH$/

/** What is not known is taken for a relay that could not be reached; undefined is nobody's fault there. */
export function connectFault(code: string): Fault | undefined {
  const known = Object.hasOwn(faults, code) ? faults[code] : undefined
  if (known !== undefined) return known === 'ours' ? undefined : known
  return ofTls.test(code) ? 'relay' : 'connect'
}
