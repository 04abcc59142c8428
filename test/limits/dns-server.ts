// A name server on loopback that answers MX questions from a table, and says what it was asked.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const MX = 15

export interface DnsServer extends AsyncDisposable {
  /** What a resolver is told: `host:port`. */
  readonly address: string
  readonly asked: readonly string[]
}

/** Hosts by domain, the best first; a domain that is not in the table does not exist, one without hosts is silent. */
export async function openDnsServer(table: Readonly<Record<string, readonly string[]>>): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (question, { port, address }) => {
    const domain = nameIn(question)
    asked.push(domain)
    const hosts = table[domain]
    if (hosts?.length === 0) return
    socket.send(answerTo(question, hosts), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}

function nameIn(question: Buffer): string {
  const labels: string[] = []
  for (let at = 12; question[at] !== 0; at += 1 + (question[at] ?? 0))
    labels.push(question.toString('latin1', at + 1, at + 1 + (question[at] ?? 0)))
  return labels.join('.')
}

function answerTo(question: Buffer, hosts: readonly string[] | undefined): Buffer {
  const end = 12 + encoded(nameIn(question)).length + 4
  const head = Buffer.from(question.subarray(0, end))
  // An answer, with recursion; NXDOMAIN is 3.
  head.writeUInt16BE(hosts === undefined ? 0x8183 : 0x8180, 2)
  head.writeUInt16BE(hosts?.length ?? 0, 6)
  head.writeUInt16BE(0, 8)
  head.writeUInt16BE(0, 10)
  // The worst comes first, since a server may order its answers as it likes.
  const records = (hosts ?? []).map((host, preference) => record(host, preference)).reverse()
  return Buffer.concat([head, ...records])
}

function record(host: string, preference: number): Buffer {
  const name = encoded(host)
  const fixed = Buffer.alloc(14)
  fixed.writeUInt16BE(0xc00c, 0)
  fixed.writeUInt16BE(MX, 2)
  fixed.writeUInt16BE(1, 4)
  fixed.writeUInt32BE(300, 6)
  fixed.writeUInt16BE(2 + name.length, 10)
  fixed.writeUInt16BE(preference, 12)
  return Buffer.concat([fixed, name])
}

function encoded(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ])
}
