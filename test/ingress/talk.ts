// Bare SMTP lines to an ingress, in the clear or over TLS, for what a mail client would hide.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { cert } from '../sink/certificate.js'

const trust: ConnectionOptions = { ca: cert, servername: 'localhost' }

export class Talk {
  #socket: Socket
  #text = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  static async open(port = 0): Promise<Talk> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Talk(socket)
  }

  static async openSecure(port = 0, options: ConnectionOptions = {}): Promise<Talk> {
    const socket = connectTls({ port, host: '127.0.0.1', ...trust, ...options })
    await once(socket, 'secureConnect')
    return new Talk(socket)
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString()
    })
    this.#socket.on('error', () => undefined)
  }

  write(data: string | Buffer): void {
    this.#socket.write(data)
  }

  /** Sends one line and resolves with the whole reply to it. */
  ask(line: string | Buffer): Promise<string> {
    this.write(Buffer.concat([Buffer.from(line), Buffer.from('\r\n')]))
    return this.reply()
  }

  /** Sends lines one after the other and resolves with the last reply. */
  async asks(...lines: string[]): Promise<string> {
    let reply = ''
    for (const line of lines) reply = await this.ask(line)
    return reply
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
      await this.#news()
    }
  }

  /** More bytes, or the end. */
  #news(): Promise<void> {
    const socket = this.#socket
    return new Promise((settle) => {
      const done = () => {
        socket.off('data', done)
        socket.off('close', done)
        settle()
      }
      socket.on('data', done)
      socket.on('close', done)
    })
  }

  /** STARTTLS, with whatever else is in the same packet. */
  async startTls(pipelined = ''): Promise<void> {
    this.write(`STARTTLS\r\n${pipelined}`)
    const reply = await this.reply()
    if (!reply.startsWith('220')) throw new Error(reply)
    await this.wrap()
  }

  /** The handshake alone. */
  async wrap(): Promise<void> {
    this.#socket.removeAllListeners('data')
    const socket = connectTls({ socket: this.#socket, ...trust })
    await once(socket, 'secureConnect')
    this.#socket = socket
    this.#listen()
  }

  /** What still came until the other side closed. */
  async rest(): Promise<string> {
    while (!this.#socket.closed) await this.#news()
    return this.#text
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

/** A client that has read the greeting and said EHLO. */
export async function greeted(port: number | undefined): Promise<Talk> {
  const talk = await Talk.open(port)
  await talk.reply()
  await talk.ask('EHLO client.example')
  return talk
}

export function plain(username: string, password: string, authzid = ''): string {
  return `AUTH PLAIN ${Buffer.from(`${authzid}\0${username}\0${password}`).toString('base64')}`
}

export const letter =
  'From: Ann <ann@example.com>\r\nTo: Bob <bob@example.org>\r\nSubject: Hello\r\n\r\nHi Bob.\r\n'

/** Hands in one message, and resolves with the reply to its final dot. */
export async function handIn(
  talk: Talk,
  data: string | Buffer = letter,
  to = 'bob@example.org',
): Promise<string> {
  await talk.asks('MAIL FROM:<ann@example.com>', `RCPT TO:<${to}>`, 'DATA')
  talk.write(data)
  talk.write('.\r\n')
  return talk.reply()
}
