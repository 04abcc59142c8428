// MAIL FROM and RCPT TO taken apart (RFC 5321, 4.1.2), each address by our own parser. Pure.
// What is not understood is refused: a parameter that is dropped in silence would be a broken promise.

import { parseMailbox } from '../message/address.js'
import type { Mailbox } from '../message/email-parts.js'
import { problemOf, Refusal } from './refusal.js'

export interface Sender {
  /** `''` is the null reverse-path. */
  readonly address: string
  readonly smtpUtf8: boolean
  /** SIZE: how long the client says that the message is; 0 unless it says. */
  readonly declaredBytes: number
}

interface Path {
  readonly path: string
  readonly parameters: ReadonlyMap<string, string | undefined>
}

const form = /^(?:MAIL FROM|RCPT TO): *<([^<>]*)>(?: +(.*))?$/i
const sourceRoute = /^@[^\s,:@]+(?:,@[^\s,:@]+)*:/
const parameterForm = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?$/
const notAscii = /[^\p{ASCII}]/u
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws Refusal */
export function parseMailFrom(line: Buffer): Sender {
  const { path, parameters } = parsePath(line, 'MAIL FROM:<sender@example.com>', '5.1.7')
  for (const name of parameters.keys()) {
    if (!['SIZE', 'BODY', 'SMTPUTF8', 'AUTH'].includes(name)) throw unknownParameter(name)
  }
  checkValues(parameters)
  const smtpUtf8 = parameters.has('SMTPUTF8')
  const address = path === '' ? '' : parseAddress(path, { smtpUtf8, code: '5.1.7' }).address
  return { address, smtpUtf8, declaredBytes: Number(parameters.get('SIZE') ?? 0) }
}

/** @throws Refusal */
export function parseRcptTo(line: Buffer, smtpUtf8: boolean): Mailbox {
  const { path, parameters } = parsePath(line, 'RCPT TO:<recipient@example.com>', '5.1.3')
  const [name] = parameters.keys()
  if (name !== undefined) throw unknownParameter(name)
  if (path === '') throw new Refusal(553, '5.1.3 A recipient cannot be empty')
  return parseAddress(path, { smtpUtf8, code: '5.1.3' })
}

function parsePath(line: Buffer, example: string, enhanced: string): Path {
  const found = form.exec(decode(line, enhanced).trimEnd())
  if (found === null) throw new Refusal(501, `${enhanced} Syntax: ${example}`)
  const [, path = '', rest = ''] = found
  const parameters = new Map<string, string | undefined>()
  for (const word of rest.split(/ +/).filter((part) => part !== '')) {
    const [, name, value] = parameterForm.exec(word) ?? []
    const key = name?.toUpperCase()
    if (key === undefined) throw new Refusal(501, '5.5.4 A parameter is malformed')
    if (parameters.has(key)) throw new Refusal(501, `5.5.4 ${key} is given twice`)
    parameters.set(key, value)
  }
  // To be accepted and ignored (RFC 5321, appendix C).
  return { path: path.replace(sourceRoute, ''), parameters }
}

/** Two lines that are no UTF-8 would look the same once decoded. */
function decode(line: Buffer, enhanced: string): string {
  try {
    return utf8.decode(line)
  } catch (cause) {
    throw new Refusal(501, `${enhanced} The command is not UTF-8`, { cause })
  }
}

function checkValues(parameters: Path['parameters']): void {
  const bad = (name: string, rule: RegExp) => parameters.has(name) && !rule.test(parameters.get(name) ?? '')
  if (bad('SIZE', /^\d{1,20}$/)) throw new Refusal(501, '5.5.4 SIZE takes a number of octets')
  if (bad('BODY', /^(7BIT|8BITMIME)$/i)) throw new Refusal(501, '5.5.4 BODY takes 7BIT or 8BITMIME')
  if (bad('SMTPUTF8', /^$/)) throw new Refusal(501, '5.5.4 SMTPUTF8 takes no value')
  // RFC 4954, 5: to be accepted wherever AUTH is, and of no weight here.
  if (bad('AUTH', /./)) throw new Refusal(501, '5.5.4 AUTH takes a mailbox or <>')
}

function unknownParameter(name: string): Refusal {
  return new Refusal(555, `5.5.4 The parameter ${name.slice(0, 40)} is not supported`)
}

function parseAddress(path: string, { smtpUtf8, code }: { smtpUtf8: boolean; code: string }): Mailbox {
  if (!smtpUtf8 && notAscii.test(path)) {
    throw new Refusal(553, '5.6.7 The address is not ASCII, and MAIL FROM came without SMTPUTF8')
  }
  try {
    return parseMailbox({ address: path }, 'address')
  } catch (cause) {
    throw new Refusal(553, `${code} ${problemOf(cause)}`, { cause })
  }
}
