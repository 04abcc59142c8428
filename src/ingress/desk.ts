// What all connections of one ingress share: the settings, the queue, the logins, the memory, and what is told of it.

import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { messageOf } from '../errors.js'
import type { MailQueue } from '../mail-queue.js'
import { errorFields, type Logger, maskAddresses } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { Account } from './account.js'
import { type Credentials, Logins } from './logins.js'
import type { IngressSettings } from './options.js'
import { RedisWatch } from './redis-watch.js'
import { Refusal } from './refusal.js'
import { Room } from './room.js'
import { type Submission, submit } from './submit.js'
import { receivedHeader, type Trace } from './trace.js'
import { TurnedAway } from './turned-away.js'

export interface DeskParts {
  readonly settings: IngressSettings
  readonly queue: MailQueue
  /** What it calls itself. */
  readonly domain: string
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics | undefined
}

/** A message as a connection has received it. */
export interface Received extends Pick<Submission, 'sender' | 'recipients' | 'bytes'> {
  readonly account: Account | undefined
  readonly from: Omit<Trace, 'domain' | 'id' | 'now'>
}

/** What a message that was handed in can come to. */
export const submissionResults = ['accepted', 'deferred', 'refused', 'aborted'] as const

const FAILED_LOGIN_DELAY_MS = 1_000

export class Desk {
  readonly settings: IngressSettings
  readonly domain: string
  readonly clock: Clock
  readonly room: Room
  readonly turnedAway: TurnedAway
  readonly #parts: DeskParts
  readonly #logins: Logins | undefined
  readonly #redis: RedisWatch
  #connections = 0

  constructor(parts: DeskParts) {
    const { settings, clock } = parts
    this.settings = settings
    this.domain = parts.domain
    this.clock = clock
    this.room = new Room(settings.maxReceivingBytes)
    this.#logins = settings.accounts && new Logins(settings.accounts, settings.maxFailedLogins, clock)
    this.turnedAway = new TurnedAway(parts)
    this.#parts = parts
    this.#redis = new RedisWatch(parts)
    this.#countConnections(0)
  }

  /** Nothing is looked at any more. */
  close(): void {
    this.#redis.stop()
  }

  /** Whether one more connection may stay; it is counted until `leave`. */
  enter(): boolean {
    if (this.#connections >= this.settings.maxConnections) {
      this.#parts.metrics?.count('fluxmail_ingress_connections_refused_total', { reason: 'limit' })
      return false
    }
    this.#countConnections(1)
    return true
  }

  leave(): void {
    this.#countConnections(-1)
  }

  /** The account of a login. Rejects with a Refusal, after a pause when the password was wrong. */
  async login(credentials: Credentials, address: string, gone: AbortSignal): Promise<Account> {
    const result = (await this.#logins?.check(credentials, address)) ?? { kind: 'wrong' }
    if (result.kind === 'known') return result.account
    this.#parts.metrics?.count('fluxmail_ingress_logins_failed_total', { reason: result.kind })
    this.#parts.logger.warn(
      { remote: address, ...this.#userOf(credentials), reason: result.kind },
      'login failed',
    )
    if (result.kind === 'busy') throw new Refusal(454, '4.7.0 Too many logins at once; try again later')
    if (result.kind === 'locked') throw lockedOut(result.ms)
    await this.clock.sleep(FAILED_LOGIN_DELAY_MS, gone)
    throw new Refusal(535, '5.7.8 Authentication credentials invalid')
  }

  /** Resolves with the text of the 250 once Redis has the message; rejects with a Refusal. */
  async accept(received: Received): Promise<string> {
    const { account, sender, recipients, bytes } = received
    const { domain, clock, settings } = this
    const id = randomBytes(9).toString('hex')
    const startedAt = clock.monotonicMs()
    const trace = receivedHeader({ ...received.from, domain, id, now: clock.now() })
    const lane = account?.lane ?? settings.lane
    const route = account?.route ?? settings.route
    const submission = { user: account?.username ?? '', sender, recipients, bytes, trace, lane, route }
    const fields = { id, lane, recipients: recipients.length, bytes: bytes.length, ...this.#whoIs(received) }
    const told = () => ({ ...fields, durationMs: Math.round(clock.monotonicMs() - startedAt) })
    try {
      const { queue } = this.#parts
      const { deliveries, repeated } = await submit(submission, { queue, domain, now: () => clock.now() })
      const [first] = deliveries
      const again = repeated ? { repeated } : {}
      this.#tell('accepted', { ...told(), delivery: first?.id, deliveries: deliveries.length, ...again })
      return `2.0.0 Ok: queued as ${first?.id ?? id}${deliveries.length > 1 ? ` and ${deliveries.length - 1} more` : ''}`
    } catch (error) {
      this.refused(error, told())
      if (error instanceof Refusal && error.responseCode < 500) void this.#redis.look()
      throw error
    }
  }

  /** Counts and logs a message that was not taken. */
  refused(error: unknown, fields: object = {}): void {
    if (!(error instanceof Refusal)) {
      this.#tell('aborted', fields)
      return
    }
    const { responseCode: code, message, cause } = error
    const reason = this.settings.logAddresses ? message : maskAddresses(message)
    const why = cause === undefined ? {} : errorFields(cause)
    this.#tell(code < 500 ? 'deferred' : 'refused', { ...fields, ...why, code, reason })
  }

  /** Logs a sender or recipient that was not taken. */
  commandRefused({ responseCode: code, message }: Refusal, remote: string): void {
    const reason = this.settings.logAddresses ? message : maskAddresses(message)
    this.#parts.logger.info({ remote, code, reason }, 'command refused')
  }

  /** Something that no client is told of. */
  failed(error: unknown): void {
    this.#parts.logger.debug({ error: maskAddresses(messageOf(error)) }, 'a connection failed')
  }

  #tell(result: (typeof submissionResults)[number], fields: object): void {
    this.#parts.metrics?.count('fluxmail_ingress_messages_total', { result })
    const level = result === 'deferred' ? 'warn' : 'info'
    this.#parts.logger[level]({ result, ...fields }, 'submission')
  }

  /** A name that is nobody's may be a password that was typed into the wrong field. */
  #userOf({ username }: Credentials): { user?: string } {
    return this.#logins?.isUser(username) ? { user: this.#named(username) } : {}
  }

  #named(username: string): string {
    return this.settings.logAddresses ? username : maskAddresses(username)
  }

  #whoIs({ account, sender }: Received): { user?: string; sender?: string } {
    const named = account === undefined ? {} : { user: this.#named(account.username) }
    return this.settings.logAddresses ? { ...named, sender } : named
  }

  #countConnections(change: 1 | 0 | -1): void {
    this.#connections += change
    this.#parts.metrics?.set('fluxmail_ingress_connections_open', {}, this.#connections)
  }
}

function lockedOut(ms: number): Refusal {
  const minutes = Math.ceil(ms / 60_000)
  return new Refusal(454, `4.7.0 Too many failed logins; try again in ${minutes} min`)
}
