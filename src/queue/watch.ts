// Whether a consumer takes the jobs that wait for it. One that does not, for as long as a lock lasts, is rebuilt,
// and when that has not helped it counts as stuck, so that whoever restarts workers learns of it.

import type { Clock } from '../clock.js'

export interface WatchOptions {
  readonly clock: Clock
  /** How long jobs may wait while none is taken. */
  readonly patienceMs: number
  /** Whether it has its hands full. */
  isBusy(): boolean
  /** Whether there is a job that could be taken now. */
  hasWaiting(): Promise<boolean>
  rebuild(): void
}

export interface Watch {
  readonly isStuck: boolean
  /** A job was taken. */
  taken(): void
  stop(): void
}

const LOOKS = 4

export function createWatch({ clock, patienceMs, isBusy, hasWaiting, rebuild }: WatchOptions): Watch {
  let waitingSince: number | undefined
  let rebuilt = 0
  let looking = false

  function settle(): void {
    waitingSince = undefined
    rebuilt = 0
  }

  async function look(): Promise<void> {
    const tookNone = waitingSince
    if (isBusy() || !(await hasWaiting())) return settle()
    const now = clock.monotonicMs()
    // A job may have been taken while Redis was asked.
    if (waitingSince === undefined || waitingSince !== tookNone) waitingSince = now
    if (now - waitingSince < patienceMs) return
    waitingSince = now
    rebuilt += 1
    rebuild()
  }

  const stop = clock.every(patienceMs / LOOKS, () => {
    if (looking) return
    looking = true
    // Whether Redis answers at all is for others to see.
    void look()
      .catch(() => undefined)
      .finally(() => {
        looking = false
      })
  })

  return {
    get isStuck() {
      return rebuilt > 1
    },
    taken: settle,
    stop,
  }
}
