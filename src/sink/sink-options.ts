// What a sink can be told, and the check of it. Every fault is reported at once, by field.

import { FluxMailError } from '../errors.js'
import { numberFaults, orderFaults, type StandingOrders } from './standing-orders.js'

export const loopback = '127.0.0.1'

/** The part of a pino logger that the sink calls. */
export interface SinkLogger {
  debug(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** One moment of one message, as the sink saw it. `client` is what the client called itself in EHLO. */
export type SinkEvent =
  /** The sink is about to say 354. */
  | {
      readonly kind: 'begun'
      readonly connection: number
      readonly client: string
      readonly to: readonly string[]
    }
  /** The final dot came; the message is recorded under `id` and not yet answered. */
  | { readonly kind: 'whole'; readonly connection: number; readonly id: string }
  /** The sink is about to say 250 to it. */
  | { readonly kind: 'answered'; readonly connection: number; readonly id: string }
  | { readonly kind: 'closed'; readonly connection: number }

export interface SinkOptions extends StandingOrders {
  /** Where SMTP listens; default 127.0.0.1. */
  host?: string
  /** 0, the default, takes a free port. */
  smtpPort?: number
  /** Where the inbox page listens; default 127.0.0.1. */
  httpHost?: string
  /** 0, the default, takes a free port; false opens no page. */
  httpPort?: number | false
  /** Keeps each message as one .eml and one .json file here, and only envelopes in memory. */
  folder?: string
  /** Keeps so many of the newest messages, and counts the others; default all. */
  keep?: number
  /** Demands this login; without `tls` it may travel in clear text. */
  auth?: { username: string; password: string }
  /** Offers STARTTLS with this certificate (PEM), or speaks TLS from the start with `secure`. */
  tls?: { key: string | Buffer; cert: string | Buffer }
  /** TLS from the start; needs `tls`. Default false. */
  secure?: boolean
  /** Announces SMTPUTF8; default true. */
  smtpUtf8?: boolean
  /** Answers the MAIL FROM after that many messages with 421 and closes; default no limit. */
  maxMessagesPerConnection?: number
  /** Hears of every message as it comes in, before the client hears of it. */
  witness?: (event: SinkEvent) => void
  logger?: SinkLogger
}

/** Throws invalid_config with one sentence for each wrong option. */
export function checkSinkOptions(options: SinkOptions): void {
  const faults = [
    ...numberFaults('smtpPort', options.smtpPort, 0, 65_535),
    ...numberFaults('httpPort', options.httpPort || 0, 0, 65_535),
    ...orderFaults(options),
    ...numberFaults('maxMessagesPerConnection', options.maxMessagesPerConnection, 1, Number.MAX_SAFE_INTEGER),
    ...numberFaults('keep', options.keep, 1, Number.MAX_SAFE_INTEGER),
    ...(options.secure && !options.tls ? ['secure needs tls: { key, cert }'] : []),
    ...(options.auth && !(options.auth.username && options.auth.password)
      ? ['auth needs a username and a password']
      : []),
  ]
  refuse(faults)
}

/** Throws invalid_config with one sentence for each order that cannot be followed. */
export function checkOrders(orders: StandingOrders): void {
  refuse(orderFaults(orders))
}

function refuse(faults: readonly string[]): void {
  if (faults.length === 0) return
  throw new FluxMailError('invalid_config', `The options of the sink are wrong: ${faults.join('; ')}`, {
    details: { faults },
  })
}
