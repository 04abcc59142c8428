// Every error that leaves the library is a FluxMailError with a code from this one table.
// The README's table of codes is written from it. No other module may invent a code.

/** Every error code, with when it is raised. The README's table is written from this. */
export const errorCodes = {
  not_created: '`send()` or `display()` was called with nothing to send',
  no_relay: 'the name of the SMTP relay is empty',
  sender_required: 'no `sender` was given and `username` is not an address',
  invalid_config: 'an option or an environment variable is wrong; the message lists each one',
  invalid_params: 'a field of an email, a batch or a call is missing or of the wrong kind',
  invalid_priority: '`priority` is not `high`, `normal` or `low`',
  invalid_email: 'an address is not exactly one valid address',
  no_email: 'an address is empty',
  invalid_header:
    'a header cannot be sent as given: a forbidden name, a control character or a line over 998 octets',
  attachment_not_found: 'the path of an attachment or inline image does not exist',
  attachment_too_large: 'the attachments of one email are larger than the limit',
  read_error: 'a file exists and cannot be read',
  write_error: 'a draft cannot be written, or there is a file already',
  template_error:
    'a template has a syntax error or cannot be rendered; the message names template, line and column',
  css_inline_failed: 'the style sheet could not be inlined',
  send_failed: 'the relay refused the message or some of its recipients, or could not be reached',
  connection_failed: 'the test of the connection failed',
  callback_failed:
    'a callback given to a bulk send threw, or had not settled when the batch was ended; the counts beside it are right',
  display_failed: 'the preview could not be made, or Outlook could not open the email',
  outlook_no_send: '`send()` on an Outlook instance',
  outlook_no_async: 'queueing an email of an Outlook instance',
  outlook_no_sender: '`sender` on an Outlook instance',
  outlook_no_connect: '`testConnection()` on an Outlook instance',
  batch_conflict: 'the same `batchId` came back with another row, another content or other options',
  batch_incomplete: 'whoever enqueued the batch is gone, and not all of its rows were acknowledged',
  batch_not_finished: 'the batch has deliveries that are pending: cancel it first, or wait for it',
  batch_cancelled: 'the batch was cancelled, and can be neither paused nor resumed',
  batch_not_found: 'there is no batch of that id',
  relay_not_found: 'no worker has or had a relay of that name',
  delivery_not_found: 'there is no delivery of that id',
  not_replayable: 'the delivery was sent, is pending, or is unknown and was not asked for by name',
  not_unknown: 'a delivery that is not unknown was resolved: it is pending, or how it ended is known',
  idempotency_conflict: 'the same `idempotencyKey` came back with another email',
  queue_unavailable: 'Redis cannot be reached or refused the write',
  queue_full:
    'Redis has less than a tenth of its `maxmemory` left, which is kept for the workers; try again later',
  invalid_payload: 'the data of a job is not a delivery that this version can read',
  content_missing: 'the content that a job refers to is not in Redis',
  closed: 'the object was used after `close()`',
  setup_failed: 'a part of the demo or development set-up is missing or did not start',
} as const

export type ErrorCode = keyof typeof errorCodes

export interface FluxMailErrorOptions {
  cause?: unknown
  details?: Record<string, unknown>
}

/** The one error class of the library. `details` holds what a program may want to read, never a secret. */
export class FluxMailError extends Error {
  override readonly name = 'FluxMailError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: FluxMailErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }
}

/** The message of anything thrown, for a sentence that quotes it. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    // Some objects have no text form, and some throw when they are looked at.
    return 'something that cannot be shown'
  }
}

/** Runs what touches values of a caller; what is thrown there comes out as a FluxMailError, of `code` unless it is one. */
export function guarded<T>(code: ErrorCode, where: string, run: () => T): T {
  try {
    return run()
  } catch (thrown) {
    if (isFluxMailError(thrown)) throw thrown
    throw new FluxMailError(code, `${where} cannot be read: ${messageOf(thrown)}`, { cause: thrown })
  }
}

function isFluxMailError(thrown: unknown): thrown is FluxMailError {
  try {
    return thrown instanceof FluxMailError
  } catch {
    return false
  }
}
