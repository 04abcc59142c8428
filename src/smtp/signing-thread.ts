// One thread that signs messages, as the thread that sends sees it: what is asked in one turn, or while it is busy, goes over
// together.
// It holds nothing that would be lost with it: when it ends, all who wait hear of it and sign by themselves.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterTurn } from '../clock.js'
import { messageOf } from '../errors.js'
import { packageRoot } from '../package-root.js'
import type { DkimConfig } from './dkim-options.js'
import type { FromThread, SharedPiece, ToThread } from './signing-messages.js'

/** Pieces from this size on are copied once for all messages that have them. */
const SHARED_BYTES = 64 * 1024

/** The thread is no more: nothing is known of what it was asked. */
export class ThreadEnded extends Error {}

interface Ask {
  readonly number: number
  readonly signer: number
  readonly pieces: readonly Buffer[]
}

interface Waiting {
  readonly resolve: (head: Buffer) => void
  readonly reject: (error: Error) => void
}

/** Where the thread begins; undefined where this is no installed package and none was built. */
function entryPath(): string | undefined {
  const name = 'signing-entry.js'
  const beside = fileURLToPath(new URL(name, import.meta.url))
  return [beside, join(packageRoot(), 'dist', 'src', 'smtp', name)].find((path) => existsSync(path))
}

/**
 * Undefined where there is nothing to run in it. `ended` hears why, unless it was closed.
 * @throws whatever keeps a thread from being begun
 */
export function openSigningThread(ended: (why: string) => void): SigningThread | undefined {
  const path = entryPath()
  return path === undefined ? undefined : new SigningThread(path, ended)
}

export class SigningThread {
  readonly #worker: Worker
  readonly #signers = new Map<DkimConfig, number>()
  readonly #waiting = new Map<number, Waiting>()
  readonly #shared = new WeakMap<Buffer, number>()
  readonly #unused = new FinalizationRegistry<number>((piece) => void this.#forgotten.push(piece))
  readonly #ended: (why: string) => void
  #forgotten: number[] = []
  #asked: Ask[] = []
  #lastNumber = 0
  #isReady = false
  #isClosed = false
  #hasEnded = false

  constructor(path: string, ended: (why: string) => void) {
    this.#ended = ended
    // Nothing of the environment is of use there, and no flag that this process was begun with.
    this.#worker = new Worker(path, { name: 'fluxmail-dkim', env: {}, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (message: FromThread) => this.#hear(message))
    this.#worker.on('messageerror', (error) => this.#fail(messageOf(error)))
    this.#worker.on('error', (error) => this.#fail(messageOf(error)))
    this.#worker.on('exit', (code) => this.#fail(`it ended with ${code}`))
  }

  /** Whether it takes messages. */
  get isReady(): boolean {
    return this.#isReady && !this.#hasEnded
  }

  /**
   * The signature's header of a message, whose pieces nobody may write to.
   * @throws ThreadEnded when it ends before it has answered
   */
  sign(dkim: DkimConfig, pieces: readonly Buffer[]): Promise<Buffer> {
    if (this.#hasEnded) return Promise.reject(new ThreadEnded())
    this.#lastNumber += 1
    const number = this.#lastNumber
    if (this.#asked.length === 0) afterTurn(() => this.#flushUnlessBusy())
    this.#asked.push({ number, signer: this.#signerOf(dkim), pieces })
    if (this.#waiting.size === 0) this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }))
  }

  /** It has no message of that one any more, and gives up the key. */
  dismiss(dkim: DkimConfig): void {
    const signer = this.#signers.get(dkim)
    if (signer === undefined) return
    this.#flush()
    this.#signers.delete(dkim)
    this.#post({ kind: 'dismissal', signer })
  }

  /** Ends it once all that it was asked is answered. */
  close(): void {
    this.#isClosed = true
    if (this.#waiting.size === 0) this.#end()
  }

  #signerOf(dkim: DkimConfig): number {
    const known = this.#signers.get(dkim)
    if (known !== undefined) return known
    this.#lastNumber += 1
    const signer = this.#lastNumber
    this.#signers.set(dkim, signer)
    this.#post({ kind: 'introduction', signer, dkim })
    return signer
  }

  /** Waking it is dear: what is asked while it has anything to do gathers until it has not. */
  #flushUnlessBusy(): void {
    if (this.#waiting.size === this.#asked.length) this.#flush()
  }

  #flush(): void {
    const asked = this.#asked
    if (asked.length === 0 || this.#hasEnded) return
    this.#asked = []
    try {
      this.#send(asked)
    } catch (error) {
      this.#fail(messageOf(error))
    }
  }

  #send(asked: readonly Ask[]): void {
    const plan: number[] = []
    const own: Buffer[] = []
    const shared: SharedPiece[] = []
    for (const { number, signer, pieces } of asked) {
      plan.push(number, signer, pieces.length)
      for (const [index, piece] of pieces.entries()) {
        // The first one has what is in no other message.
        const isOwn = index === 0 || piece.length < SHARED_BYTES
        plan.push(isOwn ? piece.length : this.#sharedOf(piece, shared))
        if (isOwn) own.push(piece)
      }
    }
    const bytes = joined(own)
    const forgotten = this.#forgotten
    this.#forgotten = []
    this.#post({ kind: 'work', bytes, plan, shared, forgotten }, [bytes])
  }

  #sharedOf(piece: Buffer, added: SharedPiece[]): number {
    const known = this.#shared.get(piece)
    if (known !== undefined) return known
    this.#lastNumber += 1
    const number = -this.#lastNumber
    const bytes = new SharedArrayBuffer(piece.length)
    piece.copy(Buffer.from(bytes))
    this.#shared.set(piece, number)
    this.#unused.register(piece, number)
    added.push({ piece: number, bytes })
    return number
  }

  #post(message: ToThread, moved: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, moved)
  }

  #hear(message: FromThread): void {
    if (message.kind === 'ready') {
      this.#isReady = true
      return
    }
    for (const [index, number] of message.numbers.entries()) {
      const waiting = this.#waiting.get(number)
      const text = message.texts[index] ?? ''
      this.#waiting.delete(number)
      if (message.failed[index]) waiting?.reject(new Error(text))
      else waiting?.resolve(Buffer.from(text, 'latin1'))
    }
    this.#flushUnlessBusy()
    if (this.#waiting.size > 0) return
    this.#worker.unref()
    if (this.#isClosed) this.#end()
  }

  #end(): void {
    this.#hasEnded = true
    void this.#worker.terminate()
  }

  #fail(why: string): void {
    if (this.#hasEnded) return
    this.#end()
    const left = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of left) reject(new ThreadEnded())
    this.#ended(why)
  }
}

function joined(pieces: readonly Buffer[]): ArrayBuffer {
  let size = 0
  for (const { length } of pieces) size += length
  const bytes = new ArrayBuffer(size)
  const all = Buffer.from(bytes)
  let at = 0
  for (const piece of pieces) at += piece.copy(all, at)
  return bytes
}
