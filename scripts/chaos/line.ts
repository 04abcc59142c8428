// The network between the workers and the relay: a TCP proxy that cuts, stalls or swallows when it is told to.
// What a client handed over before its end still reaches the relay, so that the sink's record stays the truth.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type DotFate = 'pass' | 'cut' | 'swallow'

export interface Line extends AsyncDisposable {
  readonly port: number
  /** Asked at each final dot: what becomes of its connection. */
  atDot: () => DotFate
  /** While true nothing passes in either direction; it passes later. */
  stalled: boolean
  /** While true new connections are cut off at once. */
  refusing: boolean
  /** Cuts every connection. */
  cutAll(): void
}

interface State {
  atDot: () => DotFate
  stalled: boolean
  refusing: boolean
  readonly open: Set<Pair>
}

/** One connection, and whether its replies are still let through. */
class Pair {
  readonly #client: Socket
  readonly #relay: Socket
  readonly #state: State
  #tail = ''
  #swallowing = false

  constructor(client: Socket, targetPort: number, state: State) {
    this.#client = client
    this.#state = state
    this.#relay = connect(targetPort, '127.0.0.1')
    state.open.add(this)
    client.setNoDelay(true)
    client.on('data', (chunk) => this.#fromClient(chunk))
    client.on('end', () => this.#relay.end())
    client.on('close', () => this.#relay.end())
    this.#relay.on('data', (chunk) => this.#toClient(chunk))
    this.#relay.on('close', () => this.#close())
    // Either end may break; the other hears of it by its closing.
    client.on('error', () => undefined)
    this.#relay.on('error', () => undefined)
    if (state.stalled) this.pause()
  }

  cut(): void {
    this.#client.destroy()
  }

  destroy(): void {
    this.#client.destroy()
    this.#relay.destroy()
    this.#state.open.delete(this)
  }

  pause(): void {
    this.#client.pause()
    this.#relay.pause()
  }

  resume(): void {
    this.#client.resume()
    this.#relay.resume()
  }

  #fromClient(chunk: Buffer): void {
    if (this.#relay.writable) this.#relay.write(chunk)
    const text = this.#tail + chunk.toString('latin1')
    this.#tail = text.slice(-4)
    if (!text.includes('\r\n.\r\n')) return
    const fate = this.#state.atDot()
    if (fate === 'cut') this.cut()
    if (fate === 'swallow') this.#swallowing = true
  }

  #toClient(chunk: Buffer): void {
    if (!this.#swallowing && this.#client.writable) this.#client.write(chunk)
  }

  #close(): void {
    this.#client.end()
    this.#state.open.delete(this)
  }
}

/** Opens a proxy on loopback to `targetPort`. */
export async function openLine(targetPort: number): Promise<Line> {
  const state: State = { atDot: () => 'pass', stalled: false, refusing: false, open: new Set() }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (state.refusing) client.destroy()
    else new Pair(client, targetPort, state)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new OpenLine(state, (server.address() as AddressInfo).port, async () => {
    for (const pair of state.open) pair.destroy()
    server.close()
    await once(server, 'close')
  })
}

class OpenLine implements Line {
  readonly port: number
  readonly #state: State
  readonly #close: () => Promise<void>

  constructor(state: State, port: number, close: () => Promise<void>) {
    this.#state = state
    this.port = port
    this.#close = close
  }

  get atDot(): () => DotFate {
    return this.#state.atDot
  }

  set atDot(fate: () => DotFate) {
    this.#state.atDot = fate
  }

  get stalled(): boolean {
    return this.#state.stalled
  }

  set stalled(stalled: boolean) {
    this.#state.stalled = stalled
    for (const pair of [...this.#state.open]) {
      if (stalled) pair.pause()
      else pair.resume()
    }
  }

  get refusing(): boolean {
    return this.#state.refusing
  }

  set refusing(refusing: boolean) {
    this.#state.refusing = refusing
  }

  cutAll(): void {
    for (const pair of [...this.#state.open]) pair.cut()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
