// Which provider an address belongs to: by a table of domains and, where that is on, by the domain's MX hosts.
// A look-up is a guess that may be late or wrong: it holds nobody for longer than two seconds and never fails.

import type { Clock } from '../clock.js'
import { normalizeDomain } from '../message/domain.js'
import type { ResolveMx } from './mx.js'
import { createMxCache, type MxCache } from './mx-cache.js'
import { otherProvider, providerOfDomain, providerOfHost } from './provider-table.js'

export interface Providers {
  /** The provider as far as it is known now; `other` where it is not. Costs no look-up. */
  of(address: string): string
  /** The same after an MX look-up, where one is due: 2 s at the most. Never rejects. */
  ask(address: string): Promise<string>
}

export interface ProvidersOptions {
  /** Domains and ends of the names of MX hosts, and their providers; they go before those that are known. */
  readonly table?: Readonly<Record<string, string>>
  /** Default: false. */
  readonly mxLookup?: boolean
  readonly clock: Clock
  /** Default: asks the name servers of the system. */
  readonly resolveMx?: ResolveMx
}

export function createProviders({
  table = {},
  mxLookup = false,
  clock,
  resolveMx,
}: ProvidersOptions): Providers {
  const own = ownTable(table)
  const cache = mxLookup ? createMxCache(clock, (hosts) => providerOfHosts(hosts, own), resolveMx) : undefined
  return {
    of: (address) => known(domainOf(address), own, cache) ?? otherProvider,
    async ask(address) {
      const domain = domainOf(address)
      return known(domain, own, cache) ?? (await cache?.ask(domain)) ?? otherProvider
    },
  }
}

function known(domain: string, own: ReadonlyMap<string, string>, cache: MxCache | undefined) {
  return providerOfDomain(domain, own) ?? cache?.get(domain)
}

/** The best host whose provider is known decides. */
function providerOfHosts(hosts: readonly string[], own: ReadonlyMap<string, string>): string | undefined {
  for (const host of hosts) {
    const provider = providerOfHost(host, own)
    if (provider !== undefined) return provider
  }
  return undefined
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

function ownTable(table: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(table).map(([name, provider]) => [normalizeDomain(name) ?? name, provider]))
}
