// What became of the messages of a batch, told to whoever wants to hear of it.
// A callback that throws changes no count and ends nothing; it is reported at the end, once.

import { FluxMailError, messageOf } from '../errors.js'
import type { SendResult } from '../message/email.js'

/** How far a batch has come. */
export interface BulkProgress {
  readonly sent: number
  readonly failed: number
  /** How many there are, where that is known: of an array, a Set or a Map. */
  readonly total?: number
}

export interface BulkResult {
  /** Accepted by the relay for all of their recipients. */
  readonly sent: number
  readonly failed: number
  /** Messages that were read: `sent + failed`. */
  readonly total: number
  /** The index of each message that failed, counted from 0, and why; the first `maxErrors` of them. */
  readonly errors: readonly (readonly [index: number, error: FluxMailError])[]
  /** Set when the signal ended the batch. */
  readonly aborted?: true
  /** Set when a callback threw: `callback_failed`, with the first thing thrown as `cause` and `details.count`. */
  readonly callbackError?: FluxMailError
}

export interface Listeners {
  readonly onSuccess?: ((index: number, result: SendResult) => unknown) | undefined
  readonly onError?: ((index: number, error: FluxMailError) => unknown) | undefined
  readonly onProgress: readonly ((progress: BulkProgress) => unknown)[]
}

interface ThrownFirst {
  readonly by: string
  readonly thrown: unknown
}

export class Tally {
  readonly #listeners: Listeners
  readonly #maxErrors: number
  readonly #total: number | undefined
  readonly #errors: [number, FluxMailError][] = []
  #sent = 0
  #failed = 0
  #throws = 0
  #thrownFirst: ThrownFirst | undefined

  constructor(listeners: Listeners, maxErrors: number, total: number | undefined) {
    this.#listeners = listeners
    this.#maxErrors = maxErrors
    this.#total = total
  }

  async succeeded(index: number, result: SendResult): Promise<void> {
    this.#sent += 1
    await this.#call('onSuccess', () => this.#listeners.onSuccess?.(index, result))
    await this.#tellProgress()
  }

  async failed(index: number, error: FluxMailError): Promise<void> {
    this.#failed += 1
    if (this.#errors.length < this.#maxErrors) this.#errors.push([index, error])
    await this.#call('onError', () => this.#listeners.onError?.(index, error))
    await this.#tellProgress()
  }

  result(aborted: boolean): BulkResult {
    const callbackError = this.#callbackError()
    return {
      sent: this.#sent,
      failed: this.#failed,
      total: this.#sent + this.#failed,
      errors: this.#errors.sort(([a], [b]) => a - b),
      ...(aborted ? { aborted } : {}),
      ...(callbackError ? { callbackError } : {}),
    }
  }

  async #tellProgress(): Promise<void> {
    const { onProgress } = this.#listeners
    if (onProgress.length === 0) return
    const total = this.#total === undefined ? {} : { total: this.#total }
    const progress = { sent: this.#sent, failed: this.#failed, ...total }
    for (const tell of onProgress) await this.#call('progress', () => tell(progress))
  }

  async #call(by: string, call: () => unknown): Promise<void> {
    try {
      await call()
    } catch (thrown) {
      this.#throws += 1
      this.#thrownFirst ??= { by, thrown }
    }
  }

  #callbackError(): FluxMailError | undefined {
    if (this.#thrownFirst === undefined) return undefined
    const { by, thrown } = this.#thrownFirst
    const times = this.#throws === 1 ? 'once' : `${this.#throws} times`
    const message = `callbacks of the batch threw ${times}, first ${by}: ${messageOf(thrown)}; the counts are right`
    return new FluxMailError('callback_failed', message, {
      cause: thrown,
      details: { count: this.#throws, callback: by },
    })
  }
}
