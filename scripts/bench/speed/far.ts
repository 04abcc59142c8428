// A way to the sink that takes time: a proxy on loopback that brings everything 10 ms later, each way.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface FarSink extends AsyncDisposable {
  readonly port: number
}

/** `roundTripMs` is there and back. */
export async function openFarSink(target: number, roundTripMs: number): Promise<FarSink> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    carry(near, far, roundTripMs / 2)
    carry(far, near, roundTripMs / 2)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Timers of one length end in their order, so that bytes keep theirs. */
function carry(from: Socket, to: Socket, lateMs: number): void {
  from.on('data', (bytes) => {
    setTimeout(() => {
      if (!to.destroyed) to.write(bytes)
    }, lateMs)
  })
  from.on('close', () => setTimeout(() => to.destroy(), lateMs))
}
