// `fluxmail sink`: an SMTP server that records what it takes and misbehaves on order, until Ctrl-C.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { openSink, orderHelp, type Sink, type SinkOptions } from '../sink/sink.js'
import { countOf } from '../terminal/text.js'
import { type Context, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { UsageError, unreadable } from './failure.js'
import { speakingOfFlags, type Words } from './flag-words.js'
import { defined } from './options.js'

export interface SinkCommandOptions {
  readonly port?: number
  readonly httpPort?: number
  /** False with `--no-http`. */
  readonly http?: boolean
  readonly host?: string
  readonly httpHost?: string
  readonly folder?: string
  readonly keep?: number
  readonly latency?: number
  readonly answer?: number
  readonly slowerAbove?: number
  readonly maxMessages?: number
  readonly username?: string
  readonly password?: string
  readonly cert?: string
  readonly key?: string
  readonly secure?: boolean
  readonly json?: boolean
}

export const sinkPorts = { smtp: 2525, http: 8025 } as const

export async function sink(options: SinkCommandOptions, context: Context): Promise<ExitCode> {
  await using opened = await speakingOfFlags(wordsOf(options, context), () =>
    openSink(sinkOptionsOf(options)),
  )
  if (options.json) say(context.stdout, JSON.stringify({ smtpUrl: opened.smtpUrl, url: opened.url ?? null }))
  else sayWhere(opened, context)
  if (!context.signal.aborted) await once(context.signal, 'abort')
  say(
    context.stderr,
    `recorded ${countOf(opened.received, 'message')} over ${countOf(opened.connections, 'connection')}`,
  )
  return exitCodes.done
}

function sinkOptionsOf(options: SinkCommandOptions): SinkOptions {
  const {
    port = sinkPorts.smtp,
    httpPort = sinkPorts.http,
    http = true,
    host,
    httpHost,
    folder,
    keep,
    latency,
    answer,
    slowerAbove,
    maxMessages,
    secure,
  } = options
  return {
    smtpPort: port,
    httpPort: http && httpPort,
    ...defined({ host, httpHost, folder, keep, latencyMs: latency, answerMs: answer }),
    ...defined({ maxMessagesPerConnection: maxMessages, secure }),
    ...(slowerAbove === undefined ? {} : { slower: { above: slowerAbove } }),
    ...authOf(options),
    ...certificateOf(options),
  }
}

function wordsOf(
  { port, httpPort, host, httpHost, folder, secure, username, password, cert, key }: SinkCommandOptions,
  { env }: Context,
): Words {
  return {
    env,
    flags: [
      { flag: '--port', value: port },
      { flag: '--http-port', value: httpPort },
      { flag: '--host', value: host },
      { flag: '--http-host', value: httpHost },
      { flag: '--folder', value: folder },
      { flag: '--secure', value: secure },
      { flag: '--username', value: username },
      { flag: '--password', value: password },
      { flag: '--cert', value: cert },
      { flag: '--key', value: key },
    ],
    advice: [
      [/\bsmtpPort\b/g, '--port'],
      [/\bhttpPort\b/g, '--http-port'],
      [/\bhttpHost\b/g, '--http-host'],
      [/^The options of the sink are wrong: /, ''],
      [/\bsecure needs tls: \{ key, cert \}/, '--secure needs --cert and --key'],
      [/\bauth needs a username and a password/, '--username and --password must not be empty'],
      [/^The sink cannot use tls: /, `--cert ${cert} and --key ${key} cannot be used: `],
    ],
  }
}

function authOf({ username, password }: SinkCommandOptions): Pick<SinkOptions, 'auth'> {
  if (username === undefined && password === undefined) return {}
  if (username !== undefined && password !== undefined) return { auth: { username, password } }
  throw new UsageError('--username and --password go together: give both or neither')
}

function certificateOf({ cert, key }: SinkCommandOptions): Pick<SinkOptions, 'tls'> {
  if (cert === undefined && key === undefined) return {}
  if (cert !== undefined && key !== undefined) return { tls: { cert: read(cert), key: read(key) } }
  throw new UsageError('--cert and --key go together: give both or neither')
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function sayWhere({ smtpUrl, url }: Sink, { stdout, env }: Context): void {
  const paint = paintFor(stdout, env)
  say(stdout, `SMTP   ${paint('bold', smtpUrl)}`)
  if (url !== undefined) say(stdout, `inbox  ${paint('bold', url)}`)
  say(stdout)
  for (const line of orderLines()) say(stdout, paint('dim', line))
  say(stdout)
  say(stdout, 'Ctrl-C ends it.')
}

/** What the local part of a recipient orders. */
export function orderLines(): string[] {
  const width = Math.max(...orderHelp.map(({ address }) => address.length))
  return orderHelp.map(({ address, effect }) => `${address.padEnd(width)}  ${effect}`)
}
