// Strings that fast-check invents, narrowed to what may stand in each part of an email.

import fc from 'fast-check'

const scripts = [
  'Zoë',
  'Jürgen',
  '日本語',
  'Ελληνικά',
  'русский',
  'עברית',
  'العربية',
  'हिन्दी',
  'ไทย',
  '👩‍👩‍👧 family',
  'e\u0301',
]
const traps = [
  '=?UTF-8?Q?x?=',
  '=?',
  '?=',
  '"',
  '\\',
  '<b@c.io>',
  ', d@e.io',
  ';',
  ':',
  '(x)',
  "'",
  '%41',
  '=20',
  '.',
  '..',
  '--',
  '{}',
]

const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 120 }),
  fc.constantFrom(...scripts, ...traps, ' ', '  '),
)

/** Any text at all, but lone surrogates. */
export const anyText = fc
  .array(fc.oneof(piece, fc.constantFrom('\n', '\r\n', '\r', '\t', ' \n', '.\n', 'x'.repeat(300))), {
    maxLength: 12,
  })
  .map((pieces) => Buffer.from(pieces.join('')).toString())

/** One line without control characters, not empty, without blanks at its ends. */
export const lineText = fc
  .array(piece, { minLength: 1, maxLength: 8 })
  .map((pieces) =>
    pieces
      .join('')
      .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, '')
      .trim(),
  )
  .filter((text) => text !== '' && text.length <= 500)

/** A file name without folders. The parser of the tests decodes encoded words there a second time, so none of those. */
export const fileName = lineText
  .map((text) => text.replace(/[/\\]|=\?/g, '').trim())
  .filter((text) => text.length > 2 && Buffer.byteLength(text) <= 200 && !/^\.+$/.test(text))

export function withLineFeeds(text: string): string {
  return text.replace(/\r\n|\r/g, '\n')
}

/** The rules that hold for every message, whatever is in it. */
export function brokenRules(bytes: Buffer): string[] {
  const text = bytes.toString('latin1')
  const broken: string[] = []
  if (/\r(?!\n)|(?<!\r)\n/.test(text)) broken.push('a bare CR or LF')
  const lines = text.split('\r\n')
  if (lines.some((line) => line.length > 998)) broken.push('a line over 998 octets')
  const headers = text.slice(0, text.indexOf('\r\n\r\n'))
  if (/\r\n[ \t]*(?:\r\n|$)/.test(headers)) broken.push('a header line of nothing but blanks')
  if (/^bcc:/im.test(headers)) broken.push('a Bcc header')
  for (const name of ['Date', 'Message-ID', 'MIME-Version', 'From', 'To', 'Subject', 'Content-Type']) {
    const count = headers
      .split('\r\n')
      .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`)).length
    if (count !== 1) broken.push(`${count} headers ${name}`)
  }
  return broken
}

/** An independent reader of one header: unfolded, its encoded words decoded one by one. */
export function readHeader(bytes: Buffer, name: string): string | undefined {
  const headers = bytes.toString('latin1').split('\r\n\r\n')[0] ?? ''
  const line = headers
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
    .find((one) => one.startsWith(`${name}: `))
  return line && decodeWords(line.slice(name.length + 2))
}

export function decodeWords(value: string): string {
  const joined = value.replace(/\?=\s+=\?/g, '?==?')
  return joined.replace(/=\?UTF-8\?([BQ])\?([^?]*)\?=/g, (_, kind: string, text: string) => {
    if (kind === 'B') return Buffer.from(text, 'base64').toString()
    const percent = text
      .replaceAll('_', ' ')
      .replace(/%/g, '%25')
      .replace(/=([0-9A-F]{2})/g, '%$1')
    return decodeURIComponent(percent)
  })
}
