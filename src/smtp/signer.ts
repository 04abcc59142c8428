// Who signs the messages of one relay: a thread that all relays of this process share, begun when several messages are
// signed at the same time; until then, and whenever there is none, this thread. No message is lost with it, and none of
// the callers can tell.

import type { Clock } from '../clock.js'
import type { FixedLines } from '../delivery/delivery.js'
import { messageOf } from '../errors.js'
import { piecesOf } from './data.js'
import { createSigner, type Signer } from './dkim.js'
import type { DkimConfig } from './dkim-options.js'
import { openSigningThread, type SigningThread, ThreadEnded } from './signing-thread.js'

export interface OpenSigner extends Signer {
  /** What is being signed is finished, and what is asked later is signed as well. */
  close(): void
}

/** Hears why the thread ended that should not have. */
export type OnThreadLost = (problem: string) => void

/** So many are being signed at the same time when a thread is begun; for fewer it is not worth its memory. */
const BUSY = 4
/** After a thread was lost so many are signed here before the next one, and as many more after each further one. */
const REST = 1_000
/** A first piece that is larger is hashed here, in slices: copying it over would stop everybody else. */
const MAX_COPIED_BYTES = 1024 * 1024

export function openSigner(dkim: DkimConfig, clock: Clock, onThreadLost: OnThreadLost): OpenSigner {
  return new ThreadedSigner(dkim, clock, onThreadLost)
}

/** What is known of a signer for as long as it is not closed, without keeping it from being collected. */
interface User {
  readonly dkim: DkimConfig
  readonly lost: WeakRef<OnThreadLost>
}

class ThreadedSigner implements OpenSigner {
  readonly #user: User
  readonly #here: Signer
  readonly #signatures = new WeakMap<object, Promise<Buffer>>()
  /** Kept here alone. */
  readonly onThreadLost: OnThreadLost
  #isClosed = false

  constructor(dkim: DkimConfig, clock: Clock, onThreadLost: OnThreadLost) {
    this.#user = { dkim, lost: new WeakRef(onThreadLost) }
    this.#here = createSigner(dkim, clock)
    this.onThreadLost = onThreadLost
    unclosed.register(this, this.#user)
  }

  sign(message: Buffer | readonly Buffer[], fixed: readonly FixedLines[] = []): Promise<Buffer> {
    const known = this.#signatures.get(message)
    if (known) return known
    const pieces = piecesOf(message)
    const isSmall = (pieces[0]?.length ?? 0) <= MAX_COPIED_BYTES
    const thread = isSmall && !this.#isClosed ? signingThread.get(this.#user) : undefined
    const signature = thread ? this.#signIn(thread, pieces, fixed) : this.#signHere(message, fixed)
    this.#signatures.set(message, signature)
    signature.catch(() => this.#signatures.delete(message))
    return signature
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    signingThread.leave(this.#user)
  }

  async #signIn(
    thread: SigningThread,
    pieces: readonly Buffer[],
    fixed: readonly FixedLines[],
  ): Promise<Buffer> {
    try {
      return await thread.sign(this.#user.dkim, pieces)
    } catch (error) {
      if (error instanceof ThreadEnded) return this.#signHere(pieces, fixed)
      throw error
    }
  }

  async #signHere(message: Buffer | readonly Buffer[], fixed: readonly FixedLines[]): Promise<Buffer> {
    if (!this.#isClosed) signingThread.begin(this.#user)
    signingHere += 1
    try {
      return await this.#here.sign(message, fixed)
    } finally {
      signingHere -= 1
    }
  }
}

/** Messages that are being signed without the thread. */
let signingHere = 0

/** The one thread of this process: there from its first use until all who used it are closed. */
class SharedThread {
  readonly #users = new Set<User>()
  #thread: SigningThread | undefined
  #lost = 0
  #rest = 0

  /** Undefined where there is none, or none yet. */
  get(user: User): SigningThread | undefined {
    if (!this.#thread?.isReady) return undefined
    this.#users.add(user)
    return this.#thread
  }

  /** Before a message is signed without it. */
  begin(user: User): void {
    if (this.#rest > 0) this.#rest -= 1
    else if (signingHere >= BUSY && this.#thread === undefined) {
      this.#users.add(user)
      this.#thread = this.#open()
    }
  }

  leave(user: User): void {
    if (!this.#users.delete(user)) return
    this.#thread?.dismiss(user.dkim)
    if (this.#users.size > 0) return
    this.#thread?.close()
    this.#thread = undefined
    this.#lost = 0
    this.#rest = 0
  }

  #open(): SigningThread | undefined {
    try {
      const thread = openSigningThread((why) => this.#lose(thread, why))
      // Where there is nothing to run in it, it need not be looked for each time.
      if (thread === undefined) this.#rest = Number.POSITIVE_INFINITY
      return thread
    } catch (error) {
      this.#lose(undefined, messageOf(error))
      return undefined
    }
  }

  #lose(thread: SigningThread | undefined, why: string): void {
    if (this.#thread === thread) this.#thread = undefined
    this.#lost += 1
    this.#rest = REST * this.#lost
    const problem = `there is no thread that signs with DKIM (${why}): messages are signed without it until the next one begins`
    for (const user of this.#users) tell(user, problem)
  }
}

/** A log that fails must not look like a message that could not be signed. */
function tell({ lost }: User, problem: string): void {
  try {
    lost.deref()?.(problem)
  } catch {
    // There is nowhere left to say so.
  }
}

const signingThread = new SharedThread()
/** Whoever is forgotten rather than closed leaves as well, or its key and all that hears of it would stay for ever. */
const unclosed = new FinalizationRegistry<User>((user) => signingThread.leave(user))
