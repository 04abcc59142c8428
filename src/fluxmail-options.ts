// What a FluxMail is configured with, checked once and for all.

import { z } from 'zod'
import { type Clock, parseClock } from './clock.js'
import { parseConfig, type RelayConfig, type RelayOptions, relaySchema } from './config.js'
import { type EnvironmentValues, pickValues, relayOptionsOf } from './environment.js'
import { FluxMailError, guarded } from './errors.js'
import { defaultMaxAttachmentBytes } from './mail-queue.js'
import { parseMailbox } from './message/address.js'
import type { AddressInput, Mailbox } from './message/email-parts.js'
import { quoted } from './message/field-error.js'
import { refuseSender } from './message/sendable.js'
import { type Outlook, type OutlookOptions, parseOutlook } from './outlook/outlook-options.js'
import { relayShape } from './relay-options.js'
import { createLogger, errorFields, type Logger, type LogLevel, parseLogger } from './telemetry/log.js'
import { quietLogger } from './telemetry/send-report.js'

/** What `objectType` may be; the words in any case do as well. */
export const EmailObject = { SMTP: 'smtp', OUTLOOK: 'outlook' } as const

type Words = (typeof EmailObject)[keyof typeof EmailObject]

/** `smtp` or `outlook`, as a word in any case; more mixed ones than these do as well where no compiler looks. */
export type EmailObjectType = Words | Uppercase<Words> | Capitalize<Words>

/** A relay and the domain that mail through it belongs to. */
export interface EmailInstance {
  /** Its name or address. */
  relay: string
  /** The domain of EHLO and of Message-IDs. */
  domain?: string | undefined
}

/** With `outlook` no option of a relay is needed, and those given are passed over. */
export interface FluxMailOptions extends Omit<RelayOptions, 'host' | 'domain'> {
  /** `smtp` or `outlook`, in any case; default `smtp`. */
  objectType?: EmailObjectType | undefined
  /** The relay's name, `relay:domain`, or `{ relay, domain }`; required for `smtp`. */
  host?: string | EmailInstance | undefined
  /** The domain of EHLO and of Message-IDs; unless given, this machine's name in EHLO and the sender's in Message-IDs. */
  domain?: string | undefined
  /** From, unless an email names another; default: `username` if it is an address. Refused for `outlook`. */
  sender?: AddressInput | undefined
  /** Further tries of `send()` for what is transient; default 0. */
  maxRetries?: number | undefined
  /** Wait before each of them; default 1000. */
  retryDelayMs?: number | undefined
  /** The attachments of one email together; default 25 MB. */
  maxAttachmentBytes?: number | undefined
  /** Any logger with pino's methods; default: JSON lines on standard output from `logLevel` on. */
  logger?: Logger | undefined
  /** Default `warn`. Only `debug` lines hold addresses; subjects and bodies are never logged. */
  logLevel?: LogLevel | undefined
  /** How Outlook is reached. */
  outlook?: OutlookOptions | undefined
  /** Time and waiting, for tests. */
  clock?: Clock | undefined
}

/** The options that are not those of a relay. */
const ownOptions = [
  'objectType',
  'sender',
  'maxRetries',
  'retryDelayMs',
  'maxAttachmentBytes',
  'logger',
  'logLevel',
  'outlook',
  'clock',
] as const satisfies readonly (keyof FluxMailOptions)[]

export interface FluxMailSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: z.output<typeof limitsSchema>
  /** Undefined for Outlook. */
  readonly relay: RelayConfig | undefined
  readonly sender: Mailbox | undefined
  readonly outlook: Outlook
}

const where = 'the configuration of FluxMail'

const limitsSchema = z.object({
  maxRetries: z.number().int().min(0).default(0),
  retryDelayMs: z.number().min(0).default(1000),
  maxAttachmentBytes: z.number().int().min(1).default(defaultMaxAttachmentBytes),
})

/** @throws FluxMailError `invalid_config`, `no_relay`, `invalid_email`, `no_email`, `outlook_no_sender` */
export function parseFluxMailOptions(options: FluxMailOptions): FluxMailSettings {
  if (typeof options !== 'object' || options === null) {
    throw new FluxMailError(
      'invalid_config',
      'new FluxMail({ host }) needs options; host names the SMTP relay',
    )
  }
  const {
    objectType = EmailObject.SMTP,
    host,
    sender,
    maxRetries,
    retryDelayMs,
    maxAttachmentBytes,
    logger: ownLogger,
    logLevel,
    outlook,
    clock: ownClock,
    ...relayOptions
  } = guarded('invalid_config', 'the options of FluxMail', () => ({ ...options }))
  const kind = parseKind(objectType)
  const clock = parseClock(ownClock)
  const logger = quietLogger(ownLogger === undefined ? createLogger(logLevel) : parseLogger(ownLogger))
  const relay = kind === 'smtp' ? parseRelay(host, relayOptions) : passOver(relayOptions)
  return {
    clock,
    logger,
    limits: parseConfig(limitsSchema, { maxRetries, retryDelayMs, maxAttachmentBytes }, where),
    relay,
    sender:
      relay === undefined ? refuseSender(sender) : defaultSender(sender, relay.username ?? relay.auth?.user),
    outlook: parseOutlook(outlook, {
      clock,
      onLeftOver: (folder, error) => logger.warn({ folder, ...errorFields(error) }, 'files were left over'),
    }),
  }
}

function parseKind(objectType: unknown): 'smtp' | 'outlook' {
  const word = typeof objectType === 'string' ? objectType.toLowerCase() : undefined
  if (word === EmailObject.SMTP || word === EmailObject.OUTLOOK) return word
  throw new FluxMailError(
    'invalid_config',
    `objectType must be smtp or outlook, and is ${quoted(objectType)}`,
  )
}

function parseRelay(host: unknown, options: object): RelayConfig {
  const named = guarded('invalid_config', 'host', () => hostOf(host))
  return parseConfig(relaySchema, { ...options, ...named }, where, ownOptions)
}

function hostOf(host: unknown): { host: unknown; domain?: unknown } {
  const { relay, domain } =
    typeof host === 'object' && host !== null ? (host as EmailInstance) : { relay: host, domain: undefined }
  if (relay === '') throw new FluxMailError('no_relay', 'host: the name of the relay is empty')
  return { host: relay, ...(domain === undefined || domain === '' ? {} : { domain }) }
}

const anyRelaySchema = z.strictObject(
  Object.fromEntries(Object.keys(relayShape).map((name) => [name, z.unknown().optional()])),
)

/** The options of a relay mean nothing to Outlook; what is no option at all is still a mistake. */
function passOver(options: object): undefined {
  parseConfig(anyRelaySchema, options, where, ownOptions)
}

function defaultSender(sender: AddressInput | undefined, username: string | undefined): Mailbox | undefined {
  return guarded('invalid_email', 'sender', () => {
    if (sender !== undefined) return parseMailbox(sender, 'sender')
    if (username === undefined || !username.includes('@')) return undefined
    return parseMailbox(username, 'username')
  })
}

/** What the environment says; of Outlook it says nothing that a relay would need. Throws `invalid_config`. */
export function optionsOfEnvironment(values: EnvironmentValues): FluxMailOptions {
  // Which words these two may be is checked with all other options.
  const logLevel = values.logLevel as LogLevel | undefined
  const { host, preset } = values
  const objectType = values.objectType as EmailObjectType | undefined
  if (objectType?.toLowerCase() === EmailObject.OUTLOOK) return { objectType, logLevel }
  if (
    host === undefined &&
    preset === undefined &&
    (objectType === undefined || objectType.toLowerCase() === EmailObject.SMTP)
  )
    throw new FluxMailError('invalid_config', 'FLUXMAIL_HOST is not set; it names the SMTP relay')
  const own = pickValues(values, ['sender', 'maxRetries', 'retryDelayMs'])
  const kind = objectType === undefined ? {} : { objectType }
  return { host, logLevel, ...kind, ...own, ...relayOptionsOf(values) }
}
