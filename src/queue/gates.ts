// The gates at which jobs of a lane are set aside, as whoever unpacks its rows looks at them: who may pass now comes
// back sooner than its appointment, and rows for a gate that enough wait for stay where they are.

import type { Clock } from '../clock.js'
import { defaultRoute, type Gate } from '../limits/gate.js'
import type { Opening } from '../permits/desk.js'
import type { AsideStore } from '../store/aside.js'

export interface Gates {
  /** Resolves to the gates, by name, that enough jobs wait for; with `callsBack`, those who may pass come back. */
  look(callsBack: boolean): Promise<ReadonlySet<string>>
}

export interface GatesOptions {
  readonly store: Pick<AsideStore, 'counts' | 'callBack'>
  readonly lane: string
  readonly clock: Clock
  isOpen(gate: Gate, lane: string): Opening
}

const EVERY_MS = 50
/** So many seconds' worth may be called back at once, at least one. */
const AT_ONCE_SECONDS = 0.25
const CHECK_EVERY_MS = 1_000
/** Of each gate so many are looked up, more than may be set aside while its rows stay where they are. */
const CHECKED = 1_000
/** Jobs set aside of a gate, or seconds' worth of them, from which on its rows wait in their chunks. */
const ENOUGH = 200
const ENOUGH_SECONDS = 2

interface Budget {
  readonly at: number
  readonly left: number
}

export function createGates({ store, lane, clock, isOpen }: GatesOptions): Gates {
  const budgets = new Map<string, Budget>()
  let lookedAt = Number.NEGATIVE_INFINITY
  let checkedAt = Number.NEGATIVE_INFINITY
  let shut: ReadonlySet<string> = new Set()

  /** As many as pass in the time since the last look. Permits may be there only at times, and wait for nobody. */
  function mayCome(name: string, { permits, perSecond }: Opening, now: number): number {
    if (perSecond === Number.POSITIVE_INFINITY) return permits
    const most = Math.max(1, perSecond * AT_ONCE_SECONDS)
    const { at, left } = budgets.get(name) ?? { at: now, left: permits > 0 ? most : 0 }
    const may = Math.min(most, left + (perSecond * (now - at)) / 1000)
    budgets.set(name, { at: now, left: may })
    return Math.floor(may)
  }

  async function callBack(name: string, opening: Opening): Promise<number> {
    const many = mayCome(name, opening, clock.monotonicMs())
    if (many < 1) return 0
    const came = await store.callBack(lane, name, clock.now(), many)
    const budget = budgets.get(name)
    if (budget) budgets.set(name, { ...budget, left: budget.left - came })
    return came
  }

  async function lookAt(callsBack: boolean, checks: boolean): Promise<ReadonlySet<string>> {
    const counts = await store.counts(lane, clock.now(), checks ? CHECKED : 0)
    for (const name of budgets.keys()) if (!counts.has(name)) budgets.delete(name)
    const full = new Set<string>()
    for (const [name, count] of counts) {
      const opening = isOpen(gateOf(name), lane)
      const came = callsBack ? await callBack(name, opening) : 0
      if (count - came >= Math.max(ENOUGH, opening.perSecond * ENOUGH_SECONDS)) full.add(name)
    }
    return full
  }

  return {
    async look(callsBack) {
      const now = clock.monotonicMs()
      if (now - lookedAt < EVERY_MS) return shut
      lookedAt = now
      const checks = now - checkedAt >= CHECK_EVERY_MS
      if (checks) checkedAt = now
      shut = await lookAt(callsBack, checks)
      return shut
    },
  }
}

function gateOf(name: string): Gate {
  const slash = name.indexOf('/')
  const [provider, route] = [name.slice(0, slash), name.slice(slash + 1)]
  return {
    ...(provider === '*' ? {} : { provider }),
    ...(route === defaultRoute ? {} : { route }),
  }
}
