// Verdicts of deliveries whose jobs are finished: cleared away, or given an end, a few at a time.
// It is no loss when that fails: a verdict has a time to live of its own.

import type { Clock } from '../clock.js'
import type { Ledger } from './ledger.js'

/** So long a relay's answer may make one that is unknown sent. */
export const unknownSeconds = 4 * 7 * 24 * 3600
/** A caller that adds a delivery again, under its idempotency key, has given up by then. */
export const repeatableSeconds = 3600

export interface FinishedVerdicts {
  /** `keptSeconds` 0 forgets the verdict with the next round. */
  add(lane: string, id: string, keptSeconds: number): void
  forget(): Promise<void>
  stop(): void
}

const FORGET_EVERY_MS = 1_000

/** Deliveries of one lane whose verdicts are kept for as long. */
interface Finished {
  readonly lane: string
  readonly keptSeconds: number
  readonly ids: string[]
}

export function createFinishedVerdicts(
  ledgerOf: (lane: string) => Pick<Ledger, 'forget' | 'forgetFinished'>,
  clock: Pick<Clock, 'every'>,
  onError: (error: unknown) => void,
): FinishedVerdicts {
  let finished = new Map<string, Finished>()

  async function forget(): Promise<void> {
    const now = [...finished.values()]
    finished = new Map()
    try {
      await Promise.all(
        now.map(({ lane, keptSeconds, ids }) =>
          keptSeconds > 0
            ? ledgerOf(lane).forget(ids, keptSeconds)
            : ledgerOf(lane).forgetFinished(lane, ids),
        ),
      )
    } catch (error) {
      onError(error)
    }
  }

  const stop = clock.every(FORGET_EVERY_MS, () => void forget())
  return {
    add(lane, id, keptSeconds) {
      const key = `${keptSeconds} ${lane}`
      const alike = finished.get(key) ?? { lane, keptSeconds, ids: [] }
      alike.ids.push(id)
      finished.set(key, alike)
    },
    forget,
    stop,
  }
}
