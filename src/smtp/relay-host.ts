// The host of a relay as people write it: a name, an address, or either with a domain behind a colon.
// What is none of these is refused here, since later it would only be a name that cannot be resolved.

import { isIP } from 'node:net'
import { normalizeDomain } from '../message/domain.js'

export interface RelayHost {
  readonly host: string
  /** In the form of the wire. */
  readonly domain?: string
}

export type HostRead = RelayHost | { readonly problem: string }

const label = /^[\p{L}\p{M}\p{N}_-]{1,63}$/u
const longestHost = 253

/** Takes the shorthand `relay:domain` and bracketed IP addresses apart. */
export function readRelayHost(text: string): HostRead {
  if (text === '') return { problem: 'must name the relay' }
  if (isIP(text) !== 0) return { host: text }
  if (text.includes('://'))
    return {
      problem: 'must be the name of a host, and is a URL; port, useSsl and useTls are options of their own',
    }
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/su.exec(text)
  const [, host = '', domain = ''] = bracketed ?? /^([^:]*)(?::(.*))?$/su.exec(text) ?? []
  const problem = bracketed ? literalProblem(host) : nameProblem(host)
  return problem === undefined ? withDomain(host, domain) : { problem }
}

function literalProblem(host: string): string | undefined {
  return isIP(host) === 0 ? 'holds no IP address in its brackets' : undefined
}

function nameProblem(host: string): string | undefined {
  if (host === '') return 'must name the relay'
  if (/\s/u.test(host))
    return 'holds a space or a line end; it must be the name of a host, such as smtp.example.com'
  const name = host.replace(/\.$/, '')
  if (name.length <= longestHost && name.split('.').every((part) => label.test(part))) return undefined
  return 'must be the name of a host, such as smtp.example.com, or an IP address'
}

function withDomain(host: string, domain: string): HostRead {
  if (domain === '') return { host }
  if (/^\d+$/.test(domain)) return { problem: `holds a port; write host and port apart: port ${domain}` }
  const normal = normalizeDomain(domain)
  return normal === undefined
    ? {
        problem:
          'holds something behind the colon that is no domain; write relay:domain, such as smtp.example.com:example.com',
      }
    : { host, domain: normal }
}
