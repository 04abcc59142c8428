// A reply that says no: thrown where something is found wrong, and sent as it is.

import { FluxMailError, messageOf } from '../errors.js'

export class Refusal extends Error {
  override readonly name = 'Refusal'
  /** What smtp-server reads the code of the reply from. */
  readonly responseCode: number
  /** Whether the connection cannot go on after this. */
  readonly closes: boolean

  /** `text` begins with the enhanced code (RFC 3463). */
  constructor(responseCode: number, text: string, options: { closes?: boolean; cause?: unknown } = {}) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause })
    this.responseCode = responseCode
    this.closes = options.closes === true
  }
}

/** Redis is there and will not write: it cannot save, or is no primary. */
const refusedWrite = /\b(MISCONF|READONLY|NOREPLICAS)\b/

/** What it means to a client that the queue did not take a message. It may always try again. */
export function refusalOfQueue(error: unknown): Refusal {
  if (error instanceof FluxMailError && (error.code === 'queue_unavailable' || error.code === 'queue_full')) {
    const isFull = error.code === 'queue_full' || refusedWrite.test(error.message)
    return isFull
      ? new Refusal(452, '4.3.1 The queue has no room for the message; try again later', { cause: error })
      : new Refusal(451, '4.3.0 The queue cannot be reached; try again later', { cause: error })
  }
  if (error instanceof FluxMailError && error.code === 'closed') {
    return new Refusal(421, '4.3.2 Shutting down; try again later', { cause: error })
  }
  return new Refusal(451, '4.3.5 The message could not be queued; try again later', { cause: error })
}

/** What is wrong with a message that cannot be one. */
export function refusalOfMessage(error: unknown): Refusal {
  return new Refusal(554, `5.6.0 The message cannot be taken: ${problemOf(error)}`, { cause: error })
}

/** What a FluxMailError of a field says is wrong, without the name of the field and the advice to a programmer. */
export function problemOf(error: unknown): string {
  return messageOf(error)
    .replace(/^[\w .[\]]+: /, '')
    .replace(/\. Give exactly one address,.*$/s, '')
}
