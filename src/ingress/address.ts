// Where to listen, and whether that is open to others. A name is resolved first: what is judged is what is listened on.

import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { messageOf } from '../errors.js'
import { invalidConfig } from './invalid-config.js'
import type { IngressSettings } from './options.js'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * The address of `host`; anything but loopback is refused without TLS and users.
 *
 * @throws FluxMailError `invalid_config`
 */
export async function parseListenAddress({ host, tls, accounts }: IngressSettings): Promise<string> {
  const address = await resolve(host)
  if (isLoopback(address)) return address
  const missing = [...(tls ? [] : ['tls']), ...(accounts ? [] : ['users'])]
  if (missing.length === 0) return address
  const where = host === address ? host : `${host} (${address})`
  throw invalidConfig(
    `host ${where} is open to other machines: set ${missing.join(' and ')}, or listen on 127.0.0.1`,
  )
}

function isLoopback(address: string): boolean {
  return loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

async function resolve(host: string): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 0) return bare
  try {
    return (await lookup(bare)).address
  } catch (cause) {
    throw invalidConfig(`host: ${JSON.stringify(host)} cannot be listened on: ${messageOf(cause)}`, cause)
  }
}
