// A way to the relay that is cut once, at a chosen moment of the SMTP dialogue, and holds from then on.
// It passes on what came before that moment, and nothing after it.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export const moments = [
  'banner',
  'EHLO',
  'MAIL',
  'RCPT',
  'DATA',
  'mid-body',
  'after dot',
  'after reply',
] as const
export type Moment = (typeof moments)[number]

export interface Cutter extends AsyncDisposable {
  readonly port: number
  /** Whether the cut was made. */
  readonly cut: boolean
}

/** `onCut` is called before the ends hear of it. */
export async function openCutter(target: number, moment: Moment, onCut = () => {}): Promise<Cutter> {
  const sockets = new Set<Socket>()
  const state = { cut: false }
  const server = createServer((client) => {
    const relay = connect(target, '127.0.0.1')
    for (const socket of [client, relay]) {
      sockets.add(socket)
      // Both ends are cut off on purpose.
      socket.on('error', () => undefined)
    }
    client.on('close', () => relay.end())
    relay.on('close', () => client.end())
    if (state.cut) client.pipe(relay).pipe(client)
    else {
      new Dialogue(client, relay, moment, () => {
        state.cut = true
        onCut()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get cut() {
      return state.cut
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

class Dialogue {
  readonly #client: Socket
  readonly #relay: Socket
  readonly #moment: Moment
  readonly #onCut: () => void
  #phase: 'commands' | 'body' | 'replying' = 'commands'
  #tail = ''

  constructor(client: Socket, relay: Socket, moment: Moment, onCut: () => void) {
    this.#client = client
    this.#relay = relay
    this.#moment = moment
    this.#onCut = onCut
    client.on('data', (chunk) => this.#fromClient(chunk))
    relay.on('data', (chunk) => this.#fromRelay(chunk))
  }

  #fromClient(chunk: Buffer): void {
    if (this.#phase === 'body') this.#passBody(chunk)
    else this.#passCommands(chunk)
  }

  #passCommands(chunk: Buffer): void {
    const text = chunk.toString('latin1')
    const at = new RegExp(`^${this.#moment}\\b`, 'm').exec(text)?.index
    if (at === undefined) this.#relay.write(chunk)
    else {
      this.#relay.write(chunk.subarray(0, at))
      this.#cut()
    }
  }

  #passBody(chunk: Buffer): void {
    if (this.#moment === 'mid-body') {
      this.#relay.write(chunk.subarray(0, chunk.length / 2))
      this.#cut()
      return
    }
    this.#relay.write(chunk)
    const text = this.#tail + chunk.toString('latin1')
    this.#tail = text.slice(-4)
    if (!text.endsWith('\r\n.\r\n')) return
    this.#phase = 'replying'
    if (this.#moment === 'after dot') this.#cut()
  }

  #fromRelay(chunk: Buffer): void {
    if (this.#moment === 'banner') {
      this.#cut()
      return
    }
    this.#client.write(chunk)
    const text = chunk.toString('latin1')
    if (/^354/m.test(text)) this.#phase = 'body'
    if (this.#phase === 'replying' && this.#moment === 'after reply') this.#cut()
  }

  #cut(): void {
    this.#onCut()
    this.#client.destroySoon()
    this.#relay.end()
  }
}
