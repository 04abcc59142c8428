// Encoded words (RFC 2047): header text in any script as ASCII that decodes to exactly the same text.
// A character never stands in two words: mail programs decode each word on its own.

// 75 is the limit for a word (RFC 2047, 2), and `=?UTF-8?B?` with `?=` takes 12.
const maxPayload = 63

/**
 * The encoded words for a text, to be separated by white space, which decoders drop.
 * Lone surrogates become U+FFFD. `firstRoom` is how many characters the first line has left for its word.
 */
export function encodeWords(text: string, firstRoom = 75): string[] {
  const bytes = Buffer.from(text)
  const words: string[] = []
  const encode = quotedLength(bytes) < (bytes.length * 4) / 3 ? quotedWord : base64Word
  let room = Math.max(firstRoom - 12, 24)
  for (let start = 0; start < bytes.length; ) {
    const { word, end } = encode(bytes, start, Math.min(room, maxPayload))
    words.push(word)
    start = end
    room = maxPayload
  }
  return words
}

interface Word {
  readonly word: string
  readonly end: number
}

function base64Word(bytes: Buffer, start: number, room: number): Word {
  const end = wholeCharacters(bytes, start, start + Math.floor(room / 4) * 3)
  return { word: `=?UTF-8?B?${bytes.toString('base64', start, end)}?=`, end }
}

function quotedWord(bytes: Buffer, start: number, room: number): Word {
  let end = start
  let payload = ''
  while (end < bytes.length) {
    const next = wholeCharacters(bytes, end, end + 1, true)
    const character = quotedCharacter(bytes, end, next)
    if (payload.length + character.length > room) break
    payload += character
    end = next
  }
  return { word: `=?UTF-8?Q?${payload}?=`, end }
}

/** The last end up to `limit` (or with `forward` the first from there) that splits no character. */
function wholeCharacters(bytes: Buffer, start: number, limit: number, forward = false): number {
  let end = Math.min(limit, bytes.length)
  const inside = () => end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80
  while (inside()) end += forward ? 1 : -1
  return end > start ? end : bytes.length
}

function quotedCharacter(bytes: Buffer, start: number, end: number): string {
  const byte = bytes[start] ?? 0
  if (byte === 0x20) return '_'
  if (isQuotedSafe(byte)) return String.fromCharCode(byte)
  let encoded = ''
  for (let at = start; at < end; at++) encoded += `=${hex(bytes[at] ?? 0)}`
  return encoded
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0')
}

function quotedLength(bytes: Buffer): number {
  let length = 0
  for (const byte of bytes) length += byte === 0x20 || isQuotedSafe(byte) ? 1 : 3
  return length
}

/** What may stand in a word inside a display name too (RFC 2047, 5): letters, digits and `!*+-/`. */
function isQuotedSafe(byte: number): boolean {
  const letter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a
  const digit = byte >= 0x30 && byte <= 0x39
  return letter || digit || byte === 0x21 || byte === 0x2a || byte === 0x2b || byte === 0x2d || byte === 0x2f
}
