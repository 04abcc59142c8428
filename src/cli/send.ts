// `fluxmail send`: one email now, without a queue.

import { FluxMail } from '../fluxmail.js'
import type { EmailFields, SendResult } from '../message/email.js'
import type { Priority } from '../message/email-parts.js'
import { type Context, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { UsageError } from './failure.js'
import { defined, parseHeaderLines, parseInlineImages, readTextFile } from './options.js'
import { countOf, visible } from './text.js'

export interface SendOptions {
  readonly host?: string
  readonly port?: number
  readonly username?: string
  readonly password?: string
  readonly tls?: boolean
  readonly ssl?: boolean
  readonly timeout?: number
  readonly maxRetries?: number
  readonly retryDelay?: number
  readonly type?: string
  readonly subject: string
  readonly recipients: readonly string[]
  readonly body?: string
  readonly bodyFile?: string
  readonly html?: boolean
  readonly plainBody?: string
  readonly sender?: string
  readonly cc?: readonly string[]
  readonly bcc?: readonly string[]
  readonly replyTo?: string
  readonly attachments?: readonly string[]
  readonly inlineImage?: readonly string[]
  readonly inlineCss?: boolean
  readonly priority?: string
  readonly unsubscribeUrl?: string
  readonly header?: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
}

export async function send(options: SendOptions, context: Context): Promise<ExitCode> {
  const fields = fieldsOf(options)
  await using mail = FluxMail.fromEnv(environmentOf(options, context))
  const email = mail.create(fields)
  if (options.dryRun && !options.json) {
    for (const line of (await email.display()).split('\n')) say(context.stdout, line)
    return exitCodes.done
  }
  const result = await email.send({ dryRun: options.dryRun, signal: context.signal })
  if (options.json) say(context.stdout, JSON.stringify(result))
  else saySent(result, context)
  return exitCodes.done
}

/** Flags stand before the environment, and are read by the same rules. */
function environmentOf(options: SendOptions, { env }: Context): Context['env'] {
  const { host, port, username, password, tls, ssl, timeout, maxRetries, retryDelay, type } = options
  const transport =
    tls || ssl ? { FLUXMAIL_TLS: String(tls ?? false), FLUXMAIL_SSL: String(ssl ?? false) } : {}
  const given = defined({
    FLUXMAIL_HOST: host,
    FLUXMAIL_PORT: port?.toString(),
    FLUXMAIL_USERNAME: username,
    FLUXMAIL_PASSWORD: password,
    FLUXMAIL_TIMEOUT: timeout?.toString(),
    FLUXMAIL_MAX_RETRIES: maxRetries?.toString(),
    FLUXMAIL_RETRY_DELAY: retryDelay?.toString(),
    FLUXMAIL_TYPE: type,
  })
  return { ...env, ...transport, ...given }
}

function fieldsOf(options: SendOptions): EmailFields {
  const {
    subject,
    recipients,
    html,
    plainBody,
    sender,
    cc,
    bcc,
    replyTo,
    attachments,
    inlineCss,
    unsubscribeUrl,
  } = options
  return {
    subject,
    recipients,
    body: bodyOf(options),
    ...defined({
      htmlBody: html,
      plainBody,
      sender,
      cc,
      bcc,
      replyTo,
      attachments,
      inlineCss,
      unsubscribeUrl,
    }),
    ...defined({
      inlineImages: parseInlineImages(options.inlineImage),
      headers: parseHeaderLines(options.header),
      // What is none of the three is refused by the library, in its own words.
      priority: options.priority as Priority | undefined,
    }),
  }
}

function bodyOf({ body, bodyFile }: SendOptions): string {
  if (body !== undefined && bodyFile !== undefined) {
    throw new UsageError('--body and --body-file do not go together: give one of them')
  }
  if (bodyFile !== undefined) return readTextFile(bodyFile)
  if (body !== undefined) return body
  throw new UsageError('there is no body: give --body TEXT or --body-file FILE')
}

function saySent(result: SendResult, { stdout, env }: Context): void {
  const paint = paintFor(stdout, env)
  const { accepted, relay, messageId, response } = result
  say(stdout, `${paint('green', 'sent')} to ${countOf(accepted.length, 'recipient')} through ${relay}`)
  say(stdout, paint('dim', `${messageId}  ${visible(response)}`))
}
