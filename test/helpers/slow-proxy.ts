// A TCP proxy in front of a port: what comes back can be made late, or swallowed as on a connection that is half open.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface SlowProxy extends AsyncDisposable {
  readonly port: number
  /** From now on nothing passes on the connections that are open; new ones are as good as before. */
  swallow(): void
  /** New connections go to another port; those that are open stay where they are. */
  turnTo(target: number): void
}

/** Opens a proxy to `target` on loopback; what the target says arrives `lateMs` later. */
export async function openSlowProxy(target: number, lateMs = 0): Promise<SlowProxy> {
  const sockets = new Set<Socket>()
  const timers = new Set<NodeJS.Timeout>()
  let generation = 0
  let current = target
  const server = createServer((near) => {
    const mine = generation
    const far = connect(current, '127.0.0.1')
    const pass = (socket: Socket, data: Buffer) => {
      if (mine === generation && !socket.destroyed) socket.write(data)
    }
    near.on('data', (data) => pass(far, data))
    far.on('data', (data) => {
      if (lateMs === 0) return pass(near, data)
      const timer = setTimeout(() => {
        timers.delete(timer)
        pass(near, data)
      }, lateMs)
      timers.add(timer)
    })
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    turnTo(next) {
      current = next
    },
    swallow() {
      generation += 1
    },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
