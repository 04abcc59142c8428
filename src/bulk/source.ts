// The messages of a batch, read one at a time and only when there is somebody to send the next one.
// What goes wrong in reading them is told apart from what goes wrong in sending.

import type { Clock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import { unlessAborted } from '../linked-signal.js'
import { kindOf } from '../message/field-error.js'

export interface Numbered {
  readonly index: number
  readonly message: unknown
}

/** How long messages may be read and refused at a stretch before timers and sockets have their turn. */
const STRETCH_MS = 20

export class Source {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>
  readonly #signal: AbortSignal
  readonly #clock: Clock
  #turn: Promise<unknown> = Promise.resolve()
  #ended = false
  /** Whether the iterator still owes an answer. */
  #owes = false
  #breatheAt: number
  /** Messages read so far. */
  count = 0
  /** What the iterator threw. */
  fault: { readonly thrown: unknown } | undefined

  /** Throws `invalid_params` for what cannot be iterated. */
  constructor(messages: unknown, signal: AbortSignal, clock: Clock) {
    this.#iterator = iteratorOf(messages)
    this.#signal = signal
    this.#clock = clock
    this.#breatheAt = clock.monotonicMs() + STRETCH_MS
  }

  /** Whether the iterator said that there are no more. */
  exhausted = false

  /** The next message for whoever asks first; undefined at the end, at a fault, and once it was aborted. */
  next(): Promise<Numbered | undefined> {
    const next = this.#turn.then(() => this.#read())
    this.#turn = next
    return next
  }

  /** Tells the iterator that no more is wanted, unless it ended by itself. */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const closing = this.#giveUp()
    // A generator that hangs cannot be waited for: it would close only after its next value.
    if (!this.#owes) await unlessAborted(closing, this.#signal)
  }

  async #read(): Promise<Numbered | undefined> {
    await this.#breathe()
    if (this.#ended || this.#signal.aborted) return undefined
    try {
      this.#owes = true
      const next = await unlessAborted(this.#ask(), this.#signal)
      if (next === undefined) return undefined
      this.#owes = false
      if (!next.done) return { index: this.count++, message: next.value }
      this.exhausted = true
    } catch (thrown) {
      this.#owes = false
      this.fault = { thrown }
    }
    this.#ended = true
    return undefined
  }

  async #ask(): Promise<IteratorResult<unknown>> {
    const next: unknown = await this.#iterator.next()
    if (typeof next !== 'object' || next === null)
      throw new FluxMailError(
        'invalid_params',
        `next() of the iterator gave ${kindOf(next)}, not { done, value }`,
      )
    const { done, value } = next as IteratorResult<unknown>
    return { done: done === true, value: await value }
  }

  async #giveUp(): Promise<void> {
    try {
      await this.#iterator.return?.()
    } catch (thrown) {
      this.fault ??= { thrown }
    }
  }

  async #breathe(): Promise<void> {
    if (this.#clock.monotonicMs() < this.#breatheAt) return
    await this.#clock.sleep(0)
    this.#breatheAt = this.#clock.monotonicMs() + STRETCH_MS
  }
}

function iteratorOf(messages: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof messages === 'object' && messages !== null) {
    const iterable = messages as Partial<AsyncIterable<unknown> & Iterable<unknown>>
    const iterator = iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]?.()
    if (typeof iterator?.next === 'function') return iterator
  }
  throw new FluxMailError(
    'invalid_params',
    'messages: must be an array or another iterable of emails or of the fields of emails',
  )
}
