// A delivery that found its gate shut makes room: it is put off, and those that wait next for the same gate with it, so
// that none of them takes the place of one that can go. One call at a time for each gate, for all who ask meanwhile.

import type { Clock } from '../clock.js'
import { type Gate, gateName } from '../limits/gate.js'
import type { AsideStore } from '../store/aside.js'

export interface HeldAtGate {
  readonly id: string
  /** What its job is called by; older ones have other names than their gate. */
  readonly name: string
  readonly gate: Gate
  /** What passes the gate in a second, more than 0. */
  readonly perSecond: number
  /** Its reason for waiting, as it is kept with the job. */
  readonly why: string
}

export interface Aside {
  /** Resolves to when the job is due, once it is noted and others were set aside. */
  put(held: HeldAtGate): Promise<number>
}

export interface AsideOptions {
  readonly store: Pick<AsideStore, 'setAside' | 'named'>
  readonly lane: string
  readonly clock: Clock
  /** As far as it is known now. */
  providerOf(address: string): string
}

interface Asked {
  readonly held: HeldAtGate
  resolve(due: number): void
  reject(error: unknown): void
}

export function createAside(options: AsideOptions): Aside {
  const lines = new Map<string, Asked[]>()

  async function serve(name: string, first: HeldAtGate): Promise<void> {
    let hasMore = true
    for (let line = lines.get(name) ?? []; hasMore || line.length > 0; line = lines.get(name) ?? []) {
      lines.set(name, [])
      hasMore = await answer(options, line[0]?.held ?? first, line)
    }
    lines.delete(name)
  }

  return {
    put: (held) =>
      new Promise((resolve, reject) => {
        const name = gateName(held.gate)
        const line = lines.get(name)
        const asked = { held, resolve, reject }
        if (line) line.push(asked)
        else {
          lines.set(name, [asked])
          void serve(name, held)
        }
      }),
  }
}

/** Resolves to whether more of them may wait in line. */
async function answer(
  { store, lane, clock, ...options }: AsideOptions,
  { gate, perSecond, why }: HeldAtGate,
  line: readonly Asked[],
): Promise<boolean> {
  try {
    const { dues, hasMore } = await store.setAside(lane, {
      now: clock.now(),
      gate: gateName(gate),
      perSecond,
      why,
      taken: line.map(({ held }) => held.id),
      others: await misnamed({ store, lane, ...options }, line),
    })
    for (const [index, { resolve }] of line.entries()) resolve(dues[index] ?? clock.now())
    return hasMore
  } catch (error) {
    for (const { reject } of line) reject(error)
    return false
  }
}

/** Jobs of the gate that are named otherwise: whoever named them knew less of the providers, or was older. */
async function misnamed(
  { store, lane, providerOf }: Pick<AsideOptions, 'store' | 'lane' | 'providerOf'>,
  line: readonly Asked[],
): Promise<string[]> {
  const { gate } = line[0]?.held ?? {}
  if (gate === undefined) return []
  const own = gateName(gate)
  const isOwn = (name: string) => (gate.provider === undefined ? name.endsWith(own.slice(1)) : name === own)
  const names = new Set(line.map(({ held }) => held.name).filter((name) => !isOwn(name)))
  const found: string[] = []
  for (const name of names) {
    for (const [id, data] of await store.named(lane, name)) {
      if (isBehind(gate, data, providerOf)) found.push(id)
    }
  }
  return found
}

function isBehind(gate: Gate, data: string, providerOf: (address: string) => string): boolean {
  try {
    const { a, r } = JSON.parse(data) as { a?: unknown; r?: string }
    if (typeof a !== 'string') return false
    return gateName({ provider: gate.provider && providerOf(a), route: r }) === gateName(gate)
  } catch {
    return false
  }
}
