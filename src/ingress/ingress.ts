// The SMTP submission server: apps in any language hand in mail, and get 250 once Redis has it.
// It never listens beyond loopback without TLS and users, and never answers 250 before the queue has.

import { hostname } from 'node:os'
import { type Clock, parseClock } from '../clock.js'
import { MailQueue } from '../mail-queue.js'
import { normalizeDomain } from '../message/domain.js'
import { createLogger, type Logger, parseLogger } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { IngressUser } from './account.js'
import { parseListenAddress } from './address.js'
import { Desk } from './desk.js'
import { invalidConfig } from './invalid-config.js'
import { parseIngressOptions } from './options.js'
import { IngressServer } from './server.js'

export type { IngressUser } from './account.js'
export { hashPassword } from './password.js'

export interface IngressOptions {
  /** Where messages go. It stays open when the ingress is closed. */
  readonly queue: MailQueue
  /** Where to listen; default 127.0.0.1. Anything but loopback needs `tls` and `users`. */
  readonly host?: string | undefined
  /** The port with STARTTLS; default 2587, 0 for any free one, false for none. */
  readonly port?: number | false | undefined
  /** A port with TLS from the first byte; default none. */
  readonly securePort?: number | false | undefined
  /** PEM. TLS 1.2 is the oldest that is spoken. */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined
  /** Who may log in. With users nobody submits without a login. */
  readonly users?: readonly IngressUser[] | undefined
  /** Default 36 MB, which carries 25 MB of attachments. */
  readonly maxMessageBytes?: number | undefined
  /** All messages that are being received or stored at once; default 128 MB. */
  readonly maxReceivingBytes?: number | undefined
  /** Of one message; default 1000. */
  readonly maxRecipients?: number | undefined
  /** Default 200. */
  readonly maxConnections?: number | undefined
  /**
   * Different wrong passwords for one user from one address in ten minutes; default 10. Five times as many over all
   * users lock out the address, and a hundred times as many over all addresses the user where it is new.
   */
  readonly maxFailedLogins?: number | undefined
  /** Silence of a client before it is dropped; default five minutes (RFC 5321, 4.5.3.2.7). */
  readonly idleTimeoutMs?: number | undefined
  /** How long a connection may take to log in, where there are users; default one minute. */
  readonly loginTimeoutMs?: number | undefined
  /** How long a client may take to send one message; default ten minutes. */
  readonly messageTimeoutMs?: number | undefined
  /** Default `transactional`. */
  readonly lane?: string | undefined
  /** The worker's `default` unless given. */
  readonly route?: string | undefined
  /** What it calls itself in its greeting and in Received; default this machine's name. */
  readonly domain?: string | undefined
  /** Write senders and users into log lines; default false. */
  readonly logAddresses?: boolean | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
  readonly clock?: Clock | undefined
}

export interface Ingress extends AsyncDisposable {
  /** The port with STARTTLS. */
  readonly port: number | undefined
  /** The port with TLS from the first byte. */
  readonly securePort: number | undefined
  /** Stops listening, lets messages under way end (default 30 000 ms), and closes all connections. */
  close(options?: { deadlineMs?: number | undefined }): Promise<void>
}

const DEFAULT_DEADLINE_MS = 30_000

/**
 * Listens for mail and enqueues it.
 *
 * @throws FluxMailError `invalid_config` for options that cannot be and for a public address without TLS and users,
 * `setup_failed` when a port cannot be listened on
 */
export async function openIngress(options: IngressOptions): Promise<Ingress> {
  const { queue, logger, metrics, clock, ...rest } = options ?? {}
  if (!(queue instanceof MailQueue)) throw invalidConfig('openIngress({ queue }) needs a MailQueue')
  const settings = parseIngressOptions(rest)
  const host = await parseListenAddress(settings)
  const desk = new Desk({
    settings,
    queue,
    domain: settings.domain ?? ownDomain(),
    clock: parseClock(clock),
    logger: logger === undefined ? createLogger() : parseLogger(logger),
    metrics,
  })
  const servers = await startAll(desk, host).catch((error: unknown) => {
    desk.close()
    throw error
  })
  const close: Ingress['close'] = async ({ deadlineMs = DEFAULT_DEADLINE_MS } = {}) => {
    await Promise.all(Object.values(servers).map((server) => server?.stop(deadlineMs)))
    desk.close()
  }
  return {
    port: servers.plain?.port,
    securePort: servers.secure?.port,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

interface Servers {
  plain?: IngressServer
  secure?: IngressServer
}

async function startAll(desk: Desk, host: string): Promise<Servers> {
  const { port, securePort } = desk.settings
  const servers: Servers = {}
  try {
    if (port !== false) servers.plain = await startOne(desk, { secure: false, port, host })
    if (securePort !== false) servers.secure = await startOne(desk, { secure: true, port: securePort, host })
    return servers
  } catch (error) {
    await servers.plain?.stop(0)
    throw error
  }
}

async function startOne(
  desk: Desk,
  { secure, port, host }: { secure: boolean; port: number; host: string },
): Promise<IngressServer> {
  const server = new IngressServer(desk, secure)
  await server.start(port, host)
  return server
}

function ownDomain(): string {
  return normalizeDomain(hostname()) ?? 'localhost'
}
