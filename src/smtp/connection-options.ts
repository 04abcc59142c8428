// What nodemailer's connection is told of a relay. Pure; certificates are checked unless the relay says otherwise.

import type { RelayConfig } from '../config.js'

export function connectionOptions(relay: RelayConfig) {
  return {
    host: relay.host,
    port: relay.port,
    secure: relay.useSsl,
    requireTLS: relay.useTls,
    ignoreTLS: !relay.useTls && !relay.useSsl,
    ...(relay.domain === undefined ? {} : { name: relay.domain }),
    // Said outright, or NODE_TLS_REJECT_UNAUTHORIZED would turn the check off for what never asked for it.
    tls: { ...relay.tls, rejectUnauthorized: relay.tls?.rejectUnauthorized !== false },
    connectionTimeout: relay.timeoutMs,
    greetingTimeout: relay.timeoutMs,
    dnsTimeout: relay.timeoutMs,
    socketTimeout: relay.timeoutMs,
    // What is hung up here must not trickle out of the socket's buffer afterwards.
    socketCloseTimeout: 0,
    // Loopback and private relays are what many people have.
    allowInternalNetworkInterfaces: true,
  }
}
