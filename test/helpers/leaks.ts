// What keeps the event loop alive: sockets, servers, timers, watchers, child processes, threads.

import { setTimeout as sleep } from 'node:timers/promises'

/** How many of each kind are open, by Node's names for them. */
export type Resources = ReadonlyMap<string, number>

// Work in progress that ends by itself and is no handle.
const passing = new Set(['Immediate', 'TickObject', 'CloseReq', 'FSReqCallback', 'FSReqPromise'])
const settleMs = 2_000

export function activeResources(): Resources {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (!passing.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

function added(before: Resources): string[] {
  return [...activeResources()]
    .map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)] as const)
    .filter(([, more]) => more > 0)
    .map(([kind, more]) => `${more} ${kind}`)
}

/** What was opened since `before` and is still open once closing had time to finish: `['1 TCPServerWrap']`. */
export async function leaksSince(before: Resources, withinMs = settleMs): Promise<string[]> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const leaks = added(before)
    if (leaks.length === 0 || performance.now() > deadline) return leaks
    await sleep(20)
  }
}
