// Refusals that a relay may only hand on from the server of one recipient: whether it is the relay that refuses.
// Nothing of it is shared: each worker goes by what came back to it in a row.

export interface Suspicion {
  /** Refused again; true once so many were in a row that no one recipient can be the cause. */
  isConfirmed(key: string): boolean
  /** One was taken. */
  clear(key: string): void
}

const IN_A_ROW = 5
const MOST_KEYS = 1_000

export function createSuspicion(): Suspicion {
  const refused = new Map<string, number>()
  return {
    isConfirmed(key) {
      const times = (refused.get(key) ?? 0) + 1
      refused.delete(key)
      refused.set(key, times)
      const [oldest] = refused.keys()
      if (refused.size > MOST_KEYS && oldest !== undefined) refused.delete(oldest)
      return times >= IN_A_ROW
    },
    clear(key) {
      if (refused.size > 0) refused.delete(key)
    },
  }
}
