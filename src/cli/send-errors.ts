// What the library refuses, said in the words of `fluxmail send`: the flag that was given, else the variable.

import { FluxMailError } from '../errors.js'
import { renameFields, reword } from '../named-fields.js'
import { UsageError } from './failure.js'
import type { SendOptions } from './send-options.js'

interface Source {
  readonly flag: string
  readonly option: keyof SendOptions
  /** Where the value comes from when the flag was not given. */
  readonly variable?: string
}

/** The fields of `create()` and the options of FluxMail, by where the command line has them. */
const sources: Readonly<Record<string, Source>> = {
  subject: { flag: '--subject', option: 'subject' },
  recipients: { flag: '--recipients', option: 'recipients' },
  body: { flag: '--body', option: 'body' },
  plainBody: { flag: '--plain-body', option: 'plainBody' },
  sender: { flag: '--sender', option: 'sender', variable: 'FLUXMAIL_SENDER' },
  cc: { flag: '--cc', option: 'cc' },
  bcc: { flag: '--bcc', option: 'bcc' },
  replyTo: { flag: '--reply-to', option: 'replyTo' },
  attachments: { flag: '--attachments', option: 'attachments' },
  inlineImages: { flag: '--inline-image', option: 'inlineImage' },
  priority: { flag: '--priority', option: 'priority' },
  unsubscribeUrl: { flag: '--unsubscribe-url', option: 'unsubscribeUrl' },
  headers: { flag: '--header', option: 'header' },
  path: { flag: '--draft', option: 'draft' },
  host: { flag: '--host', option: 'host', variable: 'FLUXMAIL_HOST' },
  port: { flag: '--port', option: 'port', variable: 'FLUXMAIL_PORT' },
  username: { flag: '--username', option: 'username', variable: 'FLUXMAIL_USERNAME' },
  password: { flag: '--password', option: 'password', variable: 'FLUXMAIL_PASSWORD' },
  useTls: { flag: '--tls', option: 'tls', variable: 'FLUXMAIL_TLS' },
  useSsl: { flag: '--ssl', option: 'ssl', variable: 'FLUXMAIL_SSL' },
  timeoutMs: { flag: '--timeout', option: 'timeout', variable: 'FLUXMAIL_TIMEOUT' },
  maxRetries: { flag: '--max-retries', option: 'maxRetries', variable: 'FLUXMAIL_MAX_RETRIES' },
  retryDelayMs: { flag: '--retry-delay', option: 'retryDelay', variable: 'FLUXMAIL_RETRY_DELAY' },
  objectType: { flag: '--type', option: 'type', variable: 'FLUXMAIL_TYPE' },
}

/** Advice that a program would follow, and what to type instead. */
const advice: readonly (readonly [said: RegExp, instead: string])[] = [
  [/, 'Ada <ada@example\.com>' or \{ name, address \}/, " or 'Ada <ada@example.com>'"],
  [/Set htmlBody: true/, 'Give --html'],
  [/^FLUXMAIL_SENDER: there is none, .*$/, '--sender: there is none. Give --sender or set FLUXMAIL_SENDER.'],
  [/ or give \{ content, contentType: [^}]*\}/, ''],
  [/Use the field (\w+)/, 'Use $1'],
  [/objectType: '?smtp'?/, '--type smtp'],
  [/toDraft\(path\) writes/, '--draft FILE writes'],
  [/with toDraft\(path\)/, 'with --draft FILE'],
  [/give another path, or \{ overwrite: true \}/, 'give another one'],
  [
    /^FLUXMAIL_HOST is not set; it names the SMTP relay$/,
    '--host: there is none. Give the SMTP relay, or set FLUXMAIL_HOST',
  ],
  [/, or allowPlaintextAuth if that is meant/, ''],
  [/write host and port apart: port (\d+)/, 'write host and port apart: --port $1'],
  [/^the configuration of FluxMail is wrong:\n {2}/, ''],
]
/** Words of options that stand in sentences about another one. */
const optionWords = /\b(?:useTls|useSsl|objectType)\b|\b(?:username|password)(?= and | go together)/g

/**
 * The same error with its message about flags, as a fault of the command line where it is one; what a relay said stays
 * as it is.
 */
export function inFlags(error: FluxMailError, options: SendOptions): FluxMailError | UsageError {
  if (error.code === 'send_failed') return error
  const message = reword(
    renameFields(error.message, (field, inner) => flagOf(field, inner, options)),
    advice,
  )
  const named =
    error.code === 'invalid_config'
      ? message.replace(optionWords, (word) => sources[word]?.flag ?? word)
      : message
  if (/^(\s{2})?--/m.test(named)) return new UsageError(named, error.code, error)
  return new FluxMailError(error.code, named, { cause: error.cause, details: { ...error.details } })
}

/** The flag or the variable of a field; of one inline image, with its cid. */
function flagOf(field: string, inner: string, options: SendOptions): string | undefined {
  const source = Object.hasOwn(sources, field) ? sources[field] : undefined
  if (source === undefined) return undefined
  return `${nameOf(source, options)}${field === 'inlineImages' && inner !== '' ? ` ${inner.slice(1)}` : ''}`
}

function nameOf({ flag, option, variable }: Source, options: SendOptions): string {
  if (option === 'body' && options.bodyFile !== undefined) return '--body-file'
  return options[option] === undefined && variable !== undefined ? variable : flag
}
