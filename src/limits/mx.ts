// The MX hosts of a domain, as DNS names them.

import { Resolver } from 'node:dns/promises'

/** The names of the MX hosts of a domain, the best first; rejects where there are none. */
export type ResolveMx = (domain: string, signal: AbortSignal) => Promise<readonly string[]>

/** Asks the name servers of this system, or those of `servers`. */
export function mxResolver(servers?: readonly string[]): ResolveMx {
  return async (domain, signal) => {
    // One for each question, since cancelling ends all that a resolver has asked.
    const resolver = new Resolver()
    if (servers !== undefined) resolver.setServers(servers)
    const cancel = () => resolver.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      const records = await resolver.resolveMx(domain)
      return records.sort((a, b) => a.priority - b.priority).map(({ exchange }) => exchange)
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}
