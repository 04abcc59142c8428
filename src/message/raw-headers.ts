// Where the header fields of a composed message stand in its bytes. It only looks; nothing is decoded or changed.

import { fieldError } from './field-error.js'

export interface RawHeader {
  /** In lower case. */
  readonly name: string
  /** Unfolded and trimmed, with a space for each control character; other than ASCII comes as Latin-1. */
  readonly value: string
  /** The bytes of the field, its line ends included. */
  readonly start: number
  readonly end: number
}

export interface RawHeaders {
  readonly headers: readonly RawHeader[]
  /** Where the header section ends: at the empty line, or at the end of the message. */
  readonly bodyAt: number
}

const CR = 0x0d
const LF = 0x0a
const controls = /[^ -~\u0080-\u00ff]/g
const field = /^([!-9;-~]+)[ \t]*:(.*)$/s
/** More than any mail has; what is beyond would only cost time and memory. */
export const MAX_HEADER_BYTES = 256 * 1024
const MAX_FIELDS = 2_000

/**
 * @throws FluxMailError `invalid_params` for a CR or LF that does not end a line together with the other, a line of
 * the header that is no field, and a header of more than 256 kB or 2,000 fields
 */
export function readRawHeaders(bytes: Buffer): RawHeaders {
  refuseBareLineEnds(bytes)
  const headers: RawHeader[] = []
  let start = 0
  while (start < bytes.length && bytes[start] !== CR) {
    const end = endOfField(bytes, start)
    const match = field.exec(bytes.toString('latin1', start, end))
    // What comes after it would be taken for the body, and a Bcc there be shown to everybody.
    if (match === null) throw noField(headers.length + 1)
    if (headers.length === MAX_FIELDS) throw tooLong()
    const [, name = '', value = ''] = match
    const line = value.replace(/\r\n/g, '').replace(controls, ' ').trim()
    headers.push({ name: name.toLowerCase(), value: line, start, end })
    start = end
  }
  return { headers, bodyAt: start }
}

/** A field goes on as long as its lines begin with a space or a tab (RFC 5322, 2.2.3). */
function endOfField(bytes: Buffer, start: number): number {
  let end = start
  do {
    const lineEnd = bytes.indexOf(LF, end)
    end = lineEnd === -1 ? bytes.length : lineEnd + 1
    if (end > MAX_HEADER_BYTES) throw tooLong()
  } while (bytes[end] === 0x20 || bytes[end] === 0x09)
  return end
}

// What one server takes for the end of a line and the next one does not is how mail is smuggled in.
function refuseBareLineEnds(bytes: Buffer): void {
  let before = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0
    if (byte === LF && before !== CR) throw bareLineEnd('LF', at)
    if (byte !== LF && before === CR) throw bareLineEnd('CR', at - 1)
    before = byte
  }
  if (before === CR) throw bareLineEnd('CR', bytes.length - 1)
}

function noField(number: number) {
  return fieldError(
    'invalid_params',
    'bytes',
    `field ${number} of the header is none`,
    'Begin the message with lines such as `Subject: text`, and end them with an empty line',
  )
}

function tooLong() {
  return fieldError(
    'invalid_params',
    'bytes',
    `the header is over ${MAX_HEADER_BYTES} bytes or ${MAX_FIELDS} fields`,
    'Put an empty line between header and body',
  )
}

function bareLineEnd(which: string, at: number) {
  return fieldError(
    'invalid_params',
    'bytes',
    `there is a bare ${which} at byte ${at}`,
    'End every line with CRLF',
  )
}
