// What became of the messages of a batch, told to whoever wants to hear of it.
// A callback that throws changes no count and ends nothing, and one that hangs holds up no batch that has been ended;
// both are reported at the end, once.

import type { Clock } from '../clock.js'
import { FluxMailError, messageOf } from '../errors.js'
import { unlessAborted } from '../linked-signal.js'
import type { SendResult } from '../message/email.js'
import type { BulkBar, BulkProgress } from './bar.js'

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
  /**
   * Set when a callback threw, or had not settled a second after the batch was ended: `callback_failed`, with the
   * first thing thrown as `cause` and `details.count`.
   */
  readonly callbackError?: FluxMailError
}

export interface Listeners {
  readonly onSuccess?: ((index: number, result: SendResult) => unknown) | undefined
  readonly onError?: ((index: number, error: FluxMailError) => unknown) | undefined
  readonly onProgress?: ((progress: BulkProgress) => unknown) | undefined
}

export interface TallyOptions {
  /** Out of the way while callbacks run, which may print. */
  readonly bar?: BulkBar | undefined
  readonly maxErrors: number
  readonly total: number | undefined
  /** Aborted when the batch is ended. */
  readonly signal: AbortSignal
  readonly clock: Clock
}

/** How long callbacks may still take once the batch has been ended. */
const GRACE_MS = 1_000

interface ThrownFirst {
  readonly by: string
  readonly thrown: unknown
}

export class Tally {
  readonly #listeners: Listeners
  readonly #options: TallyOptions
  readonly #errors: [number, FluxMailError][] = []
  #sent = 0
  #failed = 0
  #throws = 0
  #thrownFirst: ThrownFirst | undefined

  constructor(listeners: Listeners, options: TallyOptions) {
    this.#listeners = listeners
    this.#options = options
  }

  async succeeded(index: number, result: SendResult): Promise<void> {
    this.#sent += 1
    const { onSuccess } = this.#listeners
    if (onSuccess) await this.#call('onSuccess', () => onSuccess(index, result))
    await this.#tellProgress()
  }

  async failed(index: number, error: FluxMailError): Promise<void> {
    this.#failed += 1
    if (this.#errors.length < this.#options.maxErrors) this.#errors.push([index, error])
    const { onError } = this.#listeners
    if (onError) await this.#call('onError', () => onError(index, error))
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
    const { bar, total } = this.#options
    const progress = { sent: this.#sent, failed: this.#failed, ...(total === undefined ? {} : { total }) }
    bar?.update(progress)
    if (onProgress) await this.#call('progress', () => onProgress(progress))
  }

  async #call(by: string, call: () => unknown): Promise<void> {
    const show = this.#options.bar?.hide()
    try {
      await this.#settled(by, Promise.resolve(call()))
    } catch (thrown) {
      this.#throws += 1
      this.#thrownFirst ??= { by, thrown }
    } finally {
      show?.()
    }
  }

  /** Waits for what a callback gave, and not for long once the batch has been ended. */
  async #settled(by: string, running: Promise<unknown>): Promise<void> {
    const { signal, clock } = this.#options
    let isSettled = false
    const settled = running.finally(() => {
      isSettled = true
    })
    await unlessAborted(settled, signal)
    if (isSettled) return
    const late = new AbortController()
    const stopTimer = clock.after(GRACE_MS, () => late.abort())
    await unlessAborted(settled, late.signal).finally(stopTimer)
    if (!isSettled)
      throw new FluxMailError(
        'callback_failed',
        `${by} had not settled ${GRACE_MS} ms after the end of the batch`,
      )
  }

  #callbackError(): FluxMailError | undefined {
    if (this.#thrownFirst === undefined) return undefined
    const { by, thrown } = this.#thrownFirst
    const times = this.#throws === 1 ? 'once' : `${this.#throws} times`
    const message = `callbacks of the batch failed ${times}, first ${by}: ${messageOf(thrown)}; the counts are right`
    return new FluxMailError('callback_failed', message, {
      cause: thrown,
      details: { count: this.#throws, callback: by },
    })
  }
}
