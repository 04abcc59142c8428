// The sink: an SMTP server that misbehaves on order and an inbox page over what it recorded.
// It exists for demos, tests and benchmarks; it never passes a message on.

import { once } from 'node:events'
import type { SMTPServer } from 'smtp-server'
import { systemClock } from '../clock.js'
import { FluxMailError, messageOf } from '../errors.js'
import { Inbox, type RecordedMessage } from './inbox.js'
import type { PageParts } from './page/parts.js'
import { openPage } from './page/server.js'
import { Receiver } from './receiver.js'
import { checkOrders, checkSinkOptions, loopback, type SinkOptions } from './sink-options.js'
import type { StandingOrders } from './standing-orders.js'

export type { RecordedMessage } from './inbox.js'
export { orderHelp } from './orders.js'
export type { SinkEvent, SinkOptions } from './sink-options.js'
export { bySecond, type StandingOrders } from './standing-orders.js'

/** A running sink. */
export interface Sink extends AsyncDisposable {
  readonly smtpPort: number
  readonly smtpUrl: string
  /** undefined with `httpPort: false`. */
  readonly httpPort: number | undefined
  /** The inbox page; undefined with `httpPort: false`. */
  readonly url: string | undefined
  /** Everything accepted, oldest first. */
  readonly messages: readonly RecordedMessage[]
  /** How many came, those that are not kept any more included. */
  readonly received: number
  /** SMTP connections opened since the start. */
  readonly connections: number
  /** Replies given, by code. */
  readonly replies: ReadonlyMap<number, number>
  /** When each MAIL FROM came, and when one was asked to be slower: milliseconds of `performance.now()`. */
  readonly arrivals: { readonly offered: readonly number[]; readonly slowed: readonly number[] }
  /** Holds from the next command on, with what was ordered before and is not named; throws `invalid_config`. */
  order(orders: StandingOrders): void
  /** How many messages each recipient got, by address exactly as on the wire. */
  copies(): Map<string, number>
  /** Calls `listener` for each message from now on, until the returned function is called. */
  onMessage(listener: (message: RecordedMessage) => void): () => void
  /** Resolves once `count` messages are recorded; throws `closed` on abort or close. */
  waitForMessages(count: number, signal?: AbortSignal): Promise<void>
  /** Forgets messages, replies, arrivals and deferrals, on disk too; connections stay open and counted. */
  clear(): Promise<void>
  /** Stops listening and drops every connection at once. */
  close(): Promise<void>
}

/**
 * Opens the SMTP port and, unless `httpPort` is false, the inbox page.
 * Throws invalid_config, or setup_failed naming the port or folder that cannot be used.
 */
export async function openSink(options: SinkOptions = {}): Promise<Sink> {
  checkSinkOptions(options)
  const inbox = new Inbox(systemClock.now, options.folder, options.keep)
  await inbox.open()
  const receiver = createReceiver(options, inbox)
  const clear = async () => {
    receiver.clear()
    await inbox.clear()
  }
  const { host } = receiver
  const port = options.smtpPort ?? 0
  await listen(receiver, port, host).catch((error: unknown) => fail('smtpPort', host, port, error))
  const page = await openSinkPage(options, { inbox, traffic: receiver, clear, clock: systemClock }).catch(
    async (error: unknown) => {
      await receiver.stop()
      throw error
    },
  )
  const scheme = options.secure ? 'smtps' : 'smtp'
  return sinkOver({ inbox, receiver, page, clear, smtpUrl: `${scheme}://${inUrl(host)}:${receiver.port}` })
}

interface SinkParts {
  readonly inbox: Inbox
  readonly receiver: Receiver
  readonly page: Awaited<ReturnType<typeof openSinkPage>>
  readonly clear: () => Promise<void>
  readonly smtpUrl: string
}

function sinkOver({ inbox, receiver, page, clear, smtpUrl }: SinkParts): Sink {
  const smtpPort = receiver.port
  const close = async () => {
    inbox.close()
    await Promise.all([receiver.stop(), page?.close()])
  }
  return {
    smtpPort,
    smtpUrl,
    httpPort: page?.port,
    url: page?.url,
    messages: inbox.messages,
    get received() {
      return inbox.received
    },
    get connections() {
      return receiver.opened
    },
    replies: receiver.replies,
    arrivals: receiver.arrivals,
    order(orders) {
      checkOrders(orders)
      receiver.order(orders)
    },
    copies: () => inbox.copies(),
    onMessage: (listener) => inbox.onMessage(listener),
    waitForMessages: (count, signal) => inbox.waitFor(count, signal),
    clear,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function createReceiver(options: SinkOptions, inbox: Inbox): Receiver {
  try {
    return new Receiver({ options, inbox, clock: systemClock, logger: options.logger })
  } catch (error) {
    throw new FluxMailError('invalid_config', `The sink cannot use tls: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function openSinkPage(options: SinkOptions, parts: PageParts) {
  if (options.httpPort === false) return undefined
  const host = options.httpHost ?? loopback
  const port = options.httpPort ?? 0
  const page = await openPage(parts, host, port).catch((error: unknown) =>
    fail('httpPort', host, port, error),
  )
  return { ...page, url: `http://${inUrl(host)}:${page.port}/` }
}

async function listen(receiver: SMTPServer, port: number, host: string): Promise<void> {
  const server = receiver.listen(port, host)
  await once(server, 'listening')
}

function fail(option: string, host: string, port: number, cause: unknown): never {
  const inUse = (cause as { code?: unknown }).code === 'EADDRINUSE'
  const reason = inUse ? `port ${port} is in use; choose another ${option}` : messageOf(cause)
  throw new FluxMailError(
    'setup_failed',
    `The sink cannot listen on ${host}:${port} (${option}): ${reason}`,
    {
      cause,
      details: { option, host, port },
    },
  )
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
