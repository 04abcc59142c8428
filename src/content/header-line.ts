// Header lines as they stand in a message: encoded, folded, ended by CRLF.
// Nothing that passes here can end a header early: other than printable ASCII is encoded or refused.

import { FluxMailError } from '../errors.js'
import type { Mailbox } from '../message/email-parts.js'
import { encodeWords } from './encoded-word.js'

const lineLength = 76
// RFC 5322, 2.1.1, without CRLF.
const maxLineOctets = 998
// Words parted by single spaces come back as they were, however a reader unfolds them.
const plainWords = /^[!-~]+(?: [!-~]+)*$/
const atoms = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
const printable = /^[ -~]*$/
const simpleParameter = /^[A-Za-z0-9._()+,@!#&-]+(?: [A-Za-z0-9._()+,@!#&-]+)*$/
const maxQuoted = 60

/** A header whose value is text for people, such as Subject. Throws `invalid_header` for a line over 998 octets. */
export function textHeader(name: string, value: string): string {
  const isShort = name.length + 2 + value.length <= lineLength
  if (isShort && isPlain(value)) return `${name}: ${value}\r\n`
  return foldedHeader(name, textTokens(value, lineLength - name.length - 2))
}

/** A header of mailboxes. Throws `invalid_email` if an address could be taken for more than one. */
export function mailboxHeader(name: string, mailboxes: readonly Mailbox[]): string {
  const tokens = mailboxes.flatMap((mailbox, index) => {
    const end = index < mailboxes.length - 1 ? ',' : ''
    return mailboxTokens(mailbox, name.length, end)
  })
  return foldedHeader(name, tokens)
}

/** A header of words that are ASCII already, such as Message-IDs; each word of `References` stands on its line. */
export function wordHeader(name: string, words: readonly string[], separator = ' '): string {
  for (const word of words) {
    if (!/^[!-~]+$/.test(word))
      throw invalidHeader(name, 'a word holds a space or a character that is not ASCII')
  }
  const header = `${name}: ${words.join(separator)}\r\n`
  // All of it is ASCII, so that no line has more octets than the whole has characters.
  if (header.length > maxLineOctets) checkLines(name, header)
  return header
}

function textTokens(value: string, firstRoom: number): string[] {
  if (value === '') return []
  return isPlain(value) ? value.split(' ') : encodeWords(value, firstRoom)
}

function isPlain(value: string): boolean {
  return plainWords.test(value) && !value.includes('=?')
}

function mailboxTokens(mailbox: Mailbox, nameLength: number, end: string): string[] {
  const { name, address } = mailbox
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not pass.
  if (/[\u0000-\u001f\u007f<>\u2028\u2029]/.test(address) || !address.includes('@')) {
    throw new FluxMailError('invalid_email', `${JSON.stringify(address)} is not one address`)
  }
  if (!name) return [address + end]
  return [...nameTokens(name, lineLength - nameLength - 2), `<${address}>${end}`]
}

function nameTokens(name: string, firstRoom: number): string[] {
  const encodedLook = name.includes('=?')
  if (atoms.test(name) && !encodedLook) return name.split(' ')
  if (plainWords.test(name) && !encodedLook && name.length <= maxQuoted) {
    return [`"${name.replace(/["\\]/g, '\\$&')}"`]
  }
  return encodeWords(name, firstRoom)
}

/** Puts tokens on lines of 76; a token that is longer has a line of its own. */
function foldedHeader(name: string, tokens: readonly string[]): string {
  let header = `${name}:`
  let column = header.length
  for (const [index, token] of tokens.entries()) {
    const fold = index > 0 && column + 1 + token.length > lineLength
    header += fold ? `\r\n ${token}` : ` ${token}`
    column = fold ? token.length + 1 : column + token.length + 1
  }
  header += '\r\n'
  if (header.length > maxLineOctets / 4) checkLines(name, header)
  return header
}

function checkLines(name: string, header: string): void {
  if (header.split('\r\n').some((line) => Buffer.byteLength(line) > maxLineOctets)) {
    throw invalidHeader(
      name,
      `a line would be longer than ${maxLineOctets} octets; shorten it or put spaces into it`,
    )
  }
}

function invalidHeader(name: string, reason: string): FluxMailError {
  return new FluxMailError('invalid_header', `the header ${name}: ${reason}`, { details: { header: name } })
}

/** `; name="value"`, or its extended form (RFC 2231) for what quotes cannot carry everywhere. */
export function parameter(name: string, value: string): string {
  if (isSimpleParameter(value)) return `;\r\n ${name}="${value}"`
  const pieces = percentPieces(value)
  if (pieces.length === 1) return `;\r\n ${name}*=UTF-8''${pieces[0]}`
  return pieces
    .map((piece, index) => `;\r\n ${name}*${index}*=${index === 0 ? "UTF-8''" : ''}${piece}`)
    .join('')
}

export function isSimpleParameter(value: string): boolean {
  return value.length <= maxQuoted && printable.test(value) && simpleParameter.test(value)
}

function percentPieces(value: string): string[] {
  const pieces = ['']
  for (const character of value) {
    const encoded = percentEncoded(character)
    const last = pieces.at(-1) ?? ''
    if (last.length + encoded.length > maxQuoted) pieces.push(encoded)
    else pieces[pieces.length - 1] = last + encoded
  }
  return pieces
}

function percentEncoded(character: string): string {
  if (/^[A-Za-z0-9._-]$/.test(character)) return character
  const bytes = Buffer.from(character).toString('hex').toUpperCase()
  return bytes.replace(/../g, '%$&')
}
