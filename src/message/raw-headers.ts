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
  /** Where the header section ends: at the empty line, or at a line that is no header. */
  readonly bodyAt: number
}

const CR = 0x0d
const LF = 0x0a
const controls = /[^ -~\u0080-\u00ff]/g
const field = /^([!-9;-~]+)[ \t]*:(.*)$/s

/** @throws FluxMailError `invalid_params` for a CR or LF that does not end a line together with the other */
export function readRawHeaders(bytes: Buffer): RawHeaders {
  refuseBareLineEnds(bytes)
  const headers: RawHeader[] = []
  let start = 0
  while (start < bytes.length && bytes[start] !== CR) {
    const end = endOfField(bytes, start)
    const match = field.exec(bytes.toString('latin1', start, end))
    if (match === null) break
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
  } while (bytes[end] === 0x20 || bytes[end] === 0x09)
  return end
}

// What one server takes for the end of a line and the next one does not is how mail is smuggled in.
function refuseBareLineEnds(bytes: Buffer): void {
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) throw bareLineEnd('LF', at)
  }
  for (let at = bytes.indexOf(CR); at !== -1; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) throw bareLineEnd('CR', at)
  }
}

function bareLineEnd(which: string, at: number) {
  return fieldError(
    'invalid_params',
    'bytes',
    `there is a bare ${which} at byte ${at}`,
    'End every line with CRLF',
  )
}
