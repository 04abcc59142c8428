// Two ways to talk to the sink: Nodemailer's connection as a real client, and bare lines for what it would hide.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import SMTPConnection, { type SMTPConnectionOptions, type SMTPError } from 'nodemailer/lib/smtp-connection'

export const letter = [
  'From: Ann <ann@sender.example>',
  'To: Bob <bob@example.com>',
  'Subject: Hello',
  '',
  'Hi Bob.',
  '',
].join('\r\n')

export interface Sent {
  accepted: string[]
  rejected: string[]
  rejectedErrors: SMTPError[]
  response: string
}

/** A connected client of Nodemailer; `send` rejects with its error. */
export async function openClient(port: number, options: SMTPConnectionOptions = {}) {
  const connection = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true, ...options })
  const failed = new Promise<never>((_, reject) => connection.on('error', reject))
  failed.catch(() => undefined)
  const ready = new Promise<void>((resolve) => connection.connect(() => resolve()))
  await Promise.race([ready, failed])
  return {
    connection,
    login: (user: string, pass: string) =>
      new Promise<void>((resolve, reject) =>
        connection.login({ user, pass, credentials: { user, pass } }, (error) =>
          error ? reject(error) : resolve(),
        ),
      ),
    send: (to: string | string[], message: string | Buffer = letter, from = 'ann@sender.example') =>
      new Promise<Sent>((resolve, reject) => {
        const envelope = { from, to: Array.isArray(to) ? to : [to] }
        connection.send(envelope, message, (error, info) => {
          if (error || !info) reject(error)
          else resolve({ rejectedErrors: [], ...info } as unknown as Sent)
        })
      }),
    [Symbol.dispose]: () => connection.close(),
  }
}

/** Sends one message on a connection of its own. */
export async function sendOne(port: number, to: string | string[], message?: string | Buffer): Promise<Sent> {
  using client = await openClient(port)
  return await client.send(to, message)
}

/** Bare lines over TCP; the greeting is read already. */
export class RawClient {
  readonly #socket: Socket
  readonly #closed: Promise<void>
  #text = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      this.#text += chunk
    })
    socket.on('error', () => undefined)
  }

  static async open(port: number, { allowHalfOpen = false } = {}): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
    await once(socket, 'connect')
    const client = new RawClient(socket)
    await client.reply()
    return client
  }

  write(text: string): void {
    this.#socket.write(text)
  }

  /** Sends one line and resolves with the whole reply to it. */
  ask(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  /** Opens a transaction with these recipients, each of which has to be accepted. */
  async envelope(...recipients: string[]): Promise<void> {
    await this.ask('EHLO client.example')
    await this.ask('MAIL FROM:<ann@sender.example>')
    for (const recipient of recipients) {
      const reply = await this.ask(`RCPT TO:<${recipient}>`)
      if (!reply.startsWith('250')) throw new Error(`${recipient} was not accepted: ${reply}`)
    }
  }

  /** The next reply, with all its lines. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(this.#text)
      if (found) {
        this.#text = this.#text.slice(found[0].length)
        return found[0].trimEnd()
      }
      if (this.#socket.closed) throw new Error(`closed without a reply after: ${this.#text}`)
      await Promise.race([new Promise((resolve) => this.#socket.once('data', resolve)), this.#closed])
    }
  }

  /** Resolves when the sink has closed its side. */
  async ended(): Promise<void> {
    if (!this.#socket.readableEnded) await once(this.#socket, 'end')
  }

  /** What still came until the sink closed. */
  async rest(): Promise<string> {
    await this.#closed
    return this.#text
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}
