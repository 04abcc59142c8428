// Why a connection did not become TLS, in words that say what to do about it.
// The library's own texts speak of OpenSSL, and nobody should be led to turn the check off.

import type { RelayConfig } from '../config.js'
import type { Broken } from './fault.js'

type Words = (relay: RelayConfig, said: string, names: string | undefined) => string

const untrusted: Words = ({ host }, said) =>
  `the certificate of ${host} is not from an authority that is trusted here (${said}); if that authority is ` +
  'yours, give its certificate as tls: { ca }'
const unusable: Words = ({ host }, said) =>
  `the certificate of ${host} cannot be used (${said}); the relay needs another one`
const expired: Words = ({ host }) =>
  `the certificate of ${host} has expired; it has to be renewed at the relay, or its clock or ours is wrong`
const early: Words = ({ host }) => `the certificate of ${host} is not valid yet; its clock or ours is wrong`
const misnamed: Words = ({ host }, _said, names) =>
  `the certificate is not for ${host} but for ${names ?? 'another name'}; use the host name that it is for, or ` +
  'give that name as tls: { servername }'

const certificateFaults: Readonly<Record<string, Words>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_UNTRUSTED: untrusted,
  CERT_HAS_EXPIRED: expired,
  CERT_NOT_YET_VALID: early,
  ERR_TLS_CERT_ALTNAME_INVALID: misnamed,
  HOSTNAME_MISMATCH: misnamed,
  CERT_SIGNATURE_FAILURE: unusable,
  CERT_CHAIN_TOO_LONG: unusable,
  CERT_REVOKED: unusable,
  CERT_REJECTED: unusable,
  INVALID_CA: unusable,
  INVALID_PURPOSE: unusable,
  PATH_LENGTH_EXCEEDED: unusable,
}

/** Whether the next try would come to the same: a certificate that is not right, a login that is not possible. */
export function isLastingFault(code: string): boolean {
  return code === 'EAUTH' || Object.hasOwn(certificateFaults, code)
}

/** The fault with a message that says what to do, if it is about TLS. */
export function explainTlsFault(broken: Broken, relay: RelayConfig, thrown: object): Broken {
  const words = Object.hasOwn(certificateFaults, broken.code) ? certificateFaults[broken.code] : undefined
  if (words) return { ...broken, message: words(relay, saidOf(broken), namesIn(thrown)) }
  if (broken.code === 'ETLS' && broken.response !== undefined)
    return { ...broken, message: noUpgrade(relay, broken.response) }
  if (
    relay.useSsl &&
    /wrong.version.number|packet length too long|http request/i.test(`${broken.code} ${broken.message}`)
  )
    return { ...broken, message: noImplicitTls(relay) }
  return broken
}

/** The names in the certificate, which Node gives along where they are what is wrong. */
function namesIn(thrown: { readonly cert?: { readonly subjectaltname?: unknown } }): string | undefined {
  const names = thrown.cert?.subjectaltname
  return typeof names === 'string' ? names : undefined
}

function saidOf({ message }: Broken): string {
  return message.replace(/^Error initiating TLS - /, '').replace(/[;.]?\s*$/, '')
}

function noUpgrade({ port }: RelayConfig, response: string): string {
  return (
    `useTls is set, and port ${port} of the relay did not go on in TLS; nothing was sent. It answered STARTTLS ` +
    `with ${response}. Use the port where it offers STARTTLS (often 587), or useSsl with the port for TLS from the start (often 465)`
  )
}

function noImplicitTls({ port }: RelayConfig): string {
  return (
    `useSsl is set, and port ${port} of the relay does not speak TLS from the first byte; nothing was sent. ` +
    'Use the port for that (often 465), or useTls with the port that offers STARTTLS (often 587)'
  )
}
