// The bytes that Nodemailer composes, read to their end with CRLF line ends, as its SMTP client would send them.
// Files, URLs and streams are opened by Nodemailer while this runs; too many bytes end it and destroy them.

import { addAbortSignal, Transform } from 'node:stream'
import { FluxMailError, messageOf } from '../errors.js'
import { fieldError } from '../message/field-error.js'
import type { ComposedMessage } from './composed-mail.js'

const bareLineEnd = /\r(?!\n)|(?<!\r)\n/g

export interface ReadingOptions {
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
}

/** @throws FluxMailError `attachment_too_large`, `attachment_not_found`, `read_error`, `send_failed` (aborted) */
export async function readComposedBytes(
  message: ComposedMessage,
  { maxBytes, signal }: ReadingOptions,
): Promise<Buffer> {
  try {
    // Signers come after this step and read all before they write: it is here that too much must be seen.
    message.transform(() => limited(maxBytes))
    const stream = message.createReadStream()
    if (signal) addAbortSignal(signal, stream)
    const chunks: Buffer[] = []
    for await (const chunk of withCrlf(stream)) chunks.push(chunk)
    signal?.throwIfAborted()
    return Buffer.concat(chunks)
  } catch (thrown) {
    throw signal?.aborted ? abortedError(signal) : readFailure(thrown)
  }
}

function abortedError({ reason }: AbortSignal): FluxMailError {
  const message = `signal: it was aborted before the queue had the message (${messageOf(reason)})`
  return new FluxMailError('send_failed', message, { cause: reason })
}

/** Passes at most `maxBytes` on. */
function limited(maxBytes: number): Transform {
  let size = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > maxBytes) done(tooLarge(maxBytes))
      else done(null, chunk)
    },
  })
}

/** Turns each bare CR and bare LF into CRLF (RFC 5321, 2.3.8), also where two chunks meet. */
async function* withCrlf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held = ''
  for await (const chunk of chunks) {
    const text = held + chunk.toString('latin1')
    held = text.endsWith('\r') ? '\r' : ''
    const whole = held === '' ? text : text.slice(0, -1)
    yield Buffer.from(whole.replace(bareLineEnd, '\r\n'), 'latin1')
  }
  if (held !== '') yield Buffer.from('\r\n')
}

function tooLarge(maxBytes: number): FluxMailError {
  const problem = `the composed message is over ${maxBytes} bytes`
  const advice = 'Send less or a link, or give fluxmailTransport a larger maxMessageBytes'
  return fieldError('attachment_too_large', 'attachments', problem, advice)
}

function readFailure(thrown: unknown): FluxMailError {
  if (thrown instanceof FluxMailError) return thrown
  const missing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT'
  const code = missing ? 'attachment_not_found' : 'read_error'
  return new FluxMailError(code, `the message could not be composed: ${messageOf(thrown)}`, { cause: thrown })
}
