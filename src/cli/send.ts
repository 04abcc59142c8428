// `fluxmail send`: one email now, without a queue.

import { FluxMailError } from '../errors.js'
import { FluxMail } from '../fluxmail.js'
import type { EmailFields, SendResult } from '../message/email.js'
import type { Priority } from '../message/email-parts.js'
import { countOf, visible } from '../terminal/text.js'
import { type Context, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { UsageError } from './failure.js'
import { defined, parseHeaderLines, parseInlineImages, readTextFile } from './options.js'
import { inFlags } from './send-errors.js'
import type { SendOptions } from './send-options.js'

/** @throws FluxMailError about flags, UsageError */
export async function send(options: SendOptions, context: Context): Promise<ExitCode> {
  try {
    const body = await bodyOf(options, context)
    if (body === undefined) return exitCodes.interrupted
    await sendNow(options, body, context)
    return exitCodes.done
  } catch (thrown) {
    const error = thrown instanceof FluxMailError ? inFlags(thrown, options) : thrown
    if (options.json) sayFailure(error, context)
    throw error
  }
}

async function sendNow(options: SendOptions, body: string, context: Context): Promise<void> {
  const { dryRun, draft, json = false } = options
  const fields = fieldsOf(options, body)
  await using mail = FluxMail.fromEnv(environmentOf(options, context))
  const email = mail.create(fields)
  if (draft !== undefined && !dryRun) {
    const path = await email.toDraft(draft)
    say(context.stdout, json ? JSON.stringify({ draft: path }) : `draft written to ${visible(path)}`)
  } else if (mail.isOutlook() && !dryRun) {
    const said = await email.display()
    say(context.stdout, json ? JSON.stringify({ displayed: said }) : said)
  } else {
    const result = await email.send({ dryRun, signal: context.signal })
    if (json) say(context.stdout, JSON.stringify(result))
    else if (result.preview !== undefined) say(context.stdout, result.preview.trimEnd())
    else saySent(result, context)
  }
}

/** Flags stand before the environment, and are read by the same rules. */
function environmentOf(options: SendOptions, { env }: Context): Context['env'] {
  const { host, port, username, password, tls, ssl, timeout, maxRetries, retryDelay, type, sender } = options
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
    FLUXMAIL_SENDER: sender,
  })
  // The command says itself what happened, and its output is not a log.
  const quiet = { FLUXMAIL_LOG_LEVEL: 'silent' }
  return { ...env, ...transport, ...given, ...quiet }
}

function fieldsOf(options: SendOptions, body: string): EmailFields {
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
    body,
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

/** Undefined once the command is interrupted. */
async function bodyOf({ body, bodyFile }: SendOptions, context: Context): Promise<string | undefined> {
  if (body !== undefined && bodyFile !== undefined) {
    throw new UsageError('--body and --body-file do not go together: give one of them')
  }
  if (bodyFile !== undefined) return readTextFile(bodyFile, context)
  if (body !== undefined) return body
  throw new UsageError('there is no body: give --body TEXT or --body-file FILE')
}

/** For a program that reads the output; the person is told on standard error as always. */
function sayFailure(error: unknown, { stdout }: Context): void {
  if (error instanceof FluxMailError || error instanceof UsageError) {
    const { code, message } = error
    const details = error instanceof FluxMailError ? error.details : {}
    say(stdout, JSON.stringify({ error: { code, message, ...details } }))
  }
}

function saySent(result: SendResult, { stdout, env }: Context): void {
  const paint = paintFor(stdout, env)
  const { accepted, relay, messageId, response } = result
  say(stdout, `${paint('green', 'sent')} to ${countOf(accepted.length, 'recipient')} through ${relay}`)
  say(stdout, paint('dim', `${messageId}  ${visible(response)}`))
}
