// The messages that the sink has accepted, in memory or in a folder, with those who wait for them.
// It keeps bytes as they came: reading them as mail is left to whoever looks at one.

import { FluxMailError } from '../errors.js'
import { type Envelope, MessageFolder } from './message-folder.js'

/** A message as it was accepted: its envelope exactly as on the wire, its bytes without dot-stuffing. */
export interface RecordedMessage extends Envelope {
  /** Read from the file each time when the sink records to a folder. */
  readonly bytes: Buffer
}

export interface Arrival {
  readonly connection: number
  readonly from: string
  readonly to: readonly string[]
}

type Listener = (message: RecordedMessage) => void

export class Inbox {
  readonly #messages: RecordedMessage[] = []
  readonly #copies = new Map<string, number>()
  readonly #listeners = new Set<Listener>()
  readonly #endings = new Set<(reason: string) => void>()
  readonly #folder: MessageFolder | undefined
  readonly #now: () => number
  readonly #keep: number
  #lastId = 0
  #received = 0

  /** Of more than `keep` messages the oldest go; they stay counted. */
  constructor(now: () => number, folder?: string, keep = Number.POSITIVE_INFINITY) {
    this.#now = now
    this.#keep = keep
    this.#folder = folder === undefined ? undefined : new MessageFolder(folder)
  }

  /** Reads what an earlier run left in the folder. */
  async open(): Promise<void> {
    for (const envelope of (await this.#folder?.open()) ?? []) {
      this.#add(this.#fromFolder(envelope))
      this.#lastId = Number(envelope.id)
    }
    await this.#trim()
  }

  /** Oldest first. */
  get messages(): readonly RecordedMessage[] {
    return this.#messages
  }

  /** How many came, those that are not kept any more included. */
  get received(): number {
    return this.#received
  }

  find(id: string): RecordedMessage | undefined {
    return this.#messages.find((message) => message.id === id)
  }

  /** Resolves when the message is kept; rejects when the folder cannot take it. */
  async record(arrival: Arrival, bytes: Buffer): Promise<RecordedMessage> {
    this.#lastId += 1
    const id = String(this.#lastId)
    const envelope = { id, receivedAt: this.#now(), ...arrival, size: bytes.length }
    await this.#folder?.write(envelope, bytes)
    const message = this.#folder ? this.#fromFolder(envelope) : { ...envelope, bytes }
    this.#add(message)
    await this.#trim()
    for (const listener of [...this.#listeners]) listener(message)
    return message
  }

  /** Calls `listener` for each message from now on, until the returned function is called. */
  onMessage(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves once `count` messages are here; rejects with `closed` on abort or close. */
  waitFor(count: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        stopListening()
        this.#endings.delete(end)
        signal?.removeEventListener('abort', abort)
      }
      const end = (reason: string, cause?: unknown) => {
        leave()
        const text = `The wait for ${count} messages ended with ${this.#received}: ${reason}`
        reject(new FluxMailError('closed', text, { cause }))
      }
      const abort = () => end('it was aborted', signal?.reason)
      const check = () => {
        if (this.#received < count) return
        leave()
        resolve()
      }
      const stopListening = this.onMessage(check)
      this.#endings.add(end)
      signal?.addEventListener('abort', abort)
      if (signal?.aborted) abort()
      else check()
    })
  }

  /** How many messages each recipient got, by address exactly as on the wire. */
  copies(): Map<string, number> {
    return new Map(this.#copies)
  }

  /** How many different addresses have got a message. */
  get recipientCount(): number {
    return this.#copies.size
  }

  async clear(): Promise<void> {
    const removed = this.#messages.splice(0)
    this.#copies.clear()
    this.#received = 0
    for (const message of removed) await this.#folder?.remove(message.id)
  }

  close(): void {
    for (const end of [...this.#endings]) end('the sink was closed')
    this.#listeners.clear()
  }

  async #trim(): Promise<void> {
    while (this.#messages.length > this.#keep) {
      const oldest = this.#messages.shift()
      if (oldest) await this.#folder?.remove(oldest.id)
    }
  }

  #add(message: RecordedMessage): void {
    this.#received += 1
    this.#messages.push(message)
    for (const address of message.to) this.#copies.set(address, (this.#copies.get(address) ?? 0) + 1)
  }

  #fromFolder(envelope: Envelope): RecordedMessage {
    const folder = this.#folder
    return {
      ...envelope,
      get bytes() {
        return folder?.read(envelope.id) ?? Buffer.alloc(0)
      },
    }
  }
}
