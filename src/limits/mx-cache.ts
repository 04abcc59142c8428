// What DNS said of a domain's mail hosts, kept for a while: bounded in number, in time and in questions at once.

import type { Clock } from '../clock.js'
import { mxResolver, type ResolveMx } from './mx.js'
import { otherProvider } from './provider-table.js'

export interface MxCache {
  /** Undefined where nothing is known of it now. */
  get(domain: string): string | undefined
  /** Asks DNS unless the same question is under way; undefined where no answer can be had. Never rejects. */
  ask(domain: string): Promise<string | undefined>
}

const LOOKUP_MS = 2_000
const ANSWER_MS = 3_600_000
/** Where DNS knew nothing, or did not answer. */
const SILENCE_MS = 300_000
const MOST_DOMAINS = 10_000
const MOST_AT_ONCE = 50

interface Entry {
  readonly provider: string
  /** On the clock that never goes back. */
  readonly until: number
}

/** `providerOf` says whose hosts they are. */
export function createMxCache(
  clock: Clock,
  providerOf: (hosts: readonly string[]) => string | undefined,
  resolveMx: ResolveMx = mxResolver(),
): MxCache {
  const entries = new Map<string, Entry>()
  const asking = new Map<string, Promise<string>>()

  function keep(domain: string, provider: string, forMs: number): string {
    entries.delete(domain)
    entries.set(domain, { provider, until: clock.monotonicMs() + forMs })
    const [oldest] = entries.size > MOST_DOMAINS ? entries.keys() : []
    if (oldest !== undefined) entries.delete(oldest)
    return provider
  }

  async function lookUp(domain: string): Promise<string> {
    try {
      const hosts = await withinTime(clock, (signal) => resolveMx(domain, signal))
      return keep(domain, providerOf(hosts) ?? otherProvider, ANSWER_MS)
    } catch {
      return keep(domain, otherProvider, SILENCE_MS)
    } finally {
      asking.delete(domain)
    }
  }

  return {
    get(domain) {
      const entry = entries.get(domain)
      return entry !== undefined && entry.until > clock.monotonicMs() ? entry.provider : undefined
    },
    ask(domain) {
      const under = asking.get(domain)
      if (under !== undefined) return under
      // Whoever comes while so many are asked takes the table's word; it asks again with its next delivery.
      if (asking.size >= MOST_AT_ONCE) return Promise.resolve(undefined)
      const answer = lookUp(domain)
      asking.set(domain, answer)
      return answer
    },
  }
}

/** Rejects when `run` has not settled in time, whether or not it heeds its signal. */
async function withinTime<T>(clock: Clock, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ending = new AbortController()
  let stop = () => {}
  const late = new Promise<never>((_, reject) => {
    stop = clock.after(LOOKUP_MS, () => {
      ending.abort()
      reject(new Error('DNS did not answer in time'))
    })
  })
  try {
    return await Promise.race([run(ending.signal), late])
  } finally {
    stop()
  }
}
