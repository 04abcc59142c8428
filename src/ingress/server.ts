// A listening port of the ingress: takes connections in, hands what they bring to them, and drains.

import type { AddressInfo, Socket } from 'node:net'
import {
  SMTPServer,
  type SMTPServerDataStream,
  type SMTPServerOptions,
  type SMTPServerSession,
} from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { FluxMailError, messageOf } from '../errors.js'
import { errorFields } from '../telemetry/log.js'
import { IngressConnection } from './connection.js'
import type { Desk } from './desk.js'
import { Refusal } from './refusal.js'

type Done = (error?: Error | null, text?: string) => void

/** What smtp-server would answer to and a submission server has no use for. */
const unwanted = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD', 'HELP']
/** Beyond so many times the limit a connection is not even told. */
const CROWD = 2

/** However steadily its bytes drip in. */
const HANDSHAKE_MS = 30_000

export class IngressServer extends SMTPServer {
  readonly #desk: Desk
  readonly #startTls: boolean
  readonly #open = new Set<IngressConnection>()
  readonly #connectionOf = new WeakMap<SMTPServerSession, IngressConnection>()
  #stopped = false

  constructor(desk: Desk, secure: boolean) {
    super(serverOptions(desk, secure))
    this.#desk = desk
    this.#startTls = desk.settings.tls !== undefined && !secure
    this.on('error', (error) => desk.failed(error))
  }

  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0
  }

  /** @throws FluxMailError `setup_failed` */
  async start(port: number, host: string): Promise<void> {
    const field = this.options.secure ? 'securePort' : 'port'
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error) => reject(cannotListen(field, port, host, cause))
      this.server.once('error', failed)
      this.listen(port, host, () => {
        this.server.off('error', failed)
        resolve()
      })
    })
  }

  override connect(socket: Socket, socketOptions?: SMTPConnectionOptions | null): void {
    if (this.#stopped || this.#open.size >= CROWD * this.#desk.settings.maxConnections) {
      socket.on('error', (error) => this.#desk.failed(error))
      socket.destroy()
      return
    }
    const onClosed = () => this.#open.delete(connection)
    const parts = { desk: this.#desk, startTls: this.#startTls, onClosed }
    const connection: IngressConnection = new IngressConnection(this, socket, socketOptions ?? {}, parts)
    this.#connectionOf.set(connection.session, connection)
    this.connections.add(connection)
    this.#open.add(connection)
    connection.on('error', (error) => this._onError(error))
    connection.init()
  }

  // smtp-server starts TLS one turn after accepting; on a socket that close() took meanwhile, Node crashes.
  override _upgrade(...[socket, callback]: Parameters<SMTPServer['_upgrade']>): void {
    if (socket.destroyed) return
    const { remoteAddress: remote } = socket
    // No connection of ours is there yet to end one that never gets through its handshake.
    const stopTimer = this.#desk.clock.after(HANDSHAKE_MS, () => socket.destroy())
    socket.once('close', stopTimer)
    super._upgrade(socket, (error, secured) => {
      stopTimer()
      if (error && !this.#stopped) this.#desk.turnedAway.tell('handshake', { remote, ...errorFields(error) })
      callback(error, secured)
    })
  }

  override onConnect(session: SMTPServerSession, callback: Done): void {
    if (this.#connectionOf.get(session)?.admit()) callback()
    else callback(new Refusal(421, '4.7.0 Too many connections; try again later'))
  }

  override onSecure(...[socket, , callback]: Parameters<SMTPServer['onSecure']>): void {
    if ('disableRenegotiation' in socket) socket.disableRenegotiation()
    callback()
  }

  override onAuth(...[login, session, callback]: Parameters<SMTPServer['onAuth']>): void {
    const { username = '', password, authzid } = login
    const connection = this.#connectionOf.get(session)
    // To act for somebody else is nothing that anybody here may do (RFC 4616).
    if (!connection || typeof password !== 'string' || (authzid && authzid !== username)) {
      callback(new Refusal(535, '5.7.8 Authentication credentials invalid'))
      return
    }
    connection.login({ username, password }).then((user) => callback(null, { user }), callback)
  }

  override onData(stream: SMTPServerDataStream, session: SMTPServerSession, callback: Done): void {
    const connection = this.#connectionOf.get(session)
    connection?.take(stream).then(
      (text) => callback(null, text),
      (error) => {
        callback(error)
        if (error instanceof Refusal && error.closes) connection.close()
      },
    )
  }

  /** Stops listening, lets what is under way end within `deadlineMs`, and drops the rest. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    const over = new AbortController()
    // smtp-server's own deadline would only speak to them a second time.
    this.options.closeTimeout = deadlineMs + 1000
    const closed = new Promise<void>((resolve) => super.close(() => resolve())).then(() => over.abort())
    for (const connection of this.#open) connection.drain()
    await Promise.race([closed, this.#desk.clock.sleep(deadlineMs, over.signal)])
    for (const connection of this.#open) connection.drop()
    await closed
  }
}

function serverOptions({ settings, domain }: Desk, secure: boolean): SMTPServerOptions {
  const { tls, accounts, maxMessageBytes, idleTimeoutMs, maxConnections } = settings
  const disabled = [...(tls && !secure ? [] : ['STARTTLS']), ...(accounts ? [] : ['AUTH'])]
  return {
    ...tls,
    minVersion: 'TLSv1.2',
    secure,
    name: domain,
    banner: 'ready',
    heloResponse: '%s',
    disabledCommands: [...unwanted, ...disabled],
    allowInsecureAuth: tls === undefined,
    hideENHANCEDSTATUSCODES: false,
    disableReverseLookup: true,
    size: maxMessageBytes,
    socketTimeout: idleTimeoutMs,
    maxClients: maxConnections,
    maxAllowedUnauthenticatedCommands: 20,
    // Else it would warn on the console about a certificate of its own that is never shown.
    logger: false,
  }
}

function cannotListen(field: string, port: number, host: string, cause: Error): FluxMailError {
  return new FluxMailError(
    'setup_failed',
    `the ingress cannot listen on ${host}:${port}: ${messageOf(cause)}; choose another ${field}, or 0 for any free one`,
    { cause },
  )
}
