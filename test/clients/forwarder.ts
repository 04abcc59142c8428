// A port that passes everything on to another one and counts the connections, since a client does not tell.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Forwarder extends AsyncDisposable {
  readonly port: number
  /** Connections taken so far. */
  readonly connections: number
}

export async function openForwarder(target: number): Promise<Forwarder> {
  const open = new Set<Socket>()
  const counts = { connections: 0 }
  const keep = (socket: Socket, other: () => Socket) => {
    open.add(socket)
    socket.on('error', () => other().destroy())
    socket.on('close', () => open.delete(socket))
  }
  const server = createServer((client) => {
    counts.connections += 1
    const upstream = connect(target, '127.0.0.1')
    keep(client, () => upstream)
    keep(upstream, () => client)
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return counts.connections
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
