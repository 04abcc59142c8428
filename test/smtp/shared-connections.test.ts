import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Lease } from '../../src/smtp/lease.js'
import type { PoolOptions } from '../../src/smtp/pool.js'
import { eventually } from '../helpers/eventually.js'
import { openScriptedRelay } from './scripted-relay.js'
import { countedPool, messageTo, never } from './sending.js'

interface Sharing extends PoolOptions {
  allowed: number
  readonly wants: { readonly have: number; readonly want: number; readonly idle: number }[]
}

function sharing(allowed: number): Sharing {
  const wants: { have: number; want: number; idle: number }[] = []
  const places = {
    allowed,
    wants,
    shared: {
      allowed: () => places.allowed,
      want: (have: number, want: number, idle: number) => void wants.push({ have, want, idle }),
    },
  }
  return places
}

async function leasesOf(pool: ReturnType<typeof countedPool>, count: number): Promise<Lease[]> {
  const acquired = await Promise.all(Array.from({ length: count }, () => pool.acquire(never)))
  return acquired.map((each) => {
    if ('refusal' in each) throw new Error(each.refusal.kind)
    return each.lease
  })
}

test('there are no more connections than are allowed, and it says how many it would have', async () => {
  await using relay = await openScriptedRelay()
  const places = sharing(2)
  using pool = countedPool(relay.port, {}, systemClock, places)
  const leases = Promise.all([leasesOf(pool, 2), leasesOf(pool, 3)])
  await eventually('two are open', () => pool.opened === 2)
  expect(pool.open).toBe(2)
  expect(places.wants.at(-1)).toEqual({ have: 2, want: 5, idle: 0 })
  places.allowed = 5
  pool.attend()
  for (const lease of (await leases).flat()) lease.release()
  expect(pool.opened).toBe(5)
})

test('before it was told of any it opens none', async () => {
  await using relay = await openScriptedRelay()
  const places = sharing(0)
  using pool = countedPool(relay.port, {}, systemClock, places)
  const leases = leasesOf(pool, 1)
  expect(pool.open).toBe(0)
  expect(places.wants.at(-1)).toEqual({ have: 0, want: 1, idle: 0 })
  places.allowed = 1
  pool.attend()
  for (const lease of await leases) lease.release()
})

test('one that has too many hangs up idle ones at once, and others after their message', async () => {
  await using relay = await openScriptedRelay()
  const places = sharing(4)
  using pool = countedPool(relay.port, {}, systemClock, places)
  const [first, ...others] = await leasesOf(pool, 4)
  for (const lease of others.slice(0, 2)) lease.release()
  places.allowed = 1
  pool.attend()
  await eventually('the idle ones are gone', () => pool.open === 2)
  expect(await first?.transmit(messageTo('a@example.com'))).toMatchObject({ kind: 'accepted' })
  await eventually('another one is gone', () => pool.open === 1)
  for (const lease of others.slice(2)) lease.release()
  expect(places.wants.at(-1)?.want).toBeLessThanOrEqual(1)
})

test('a connection that is lent again at once is not idle', async () => {
  await using relay = await openScriptedRelay()
  const places = sharing(1)
  using pool = countedPool(relay.port, {}, systemClock, places)
  const [first] = await leasesOf(pool, 1)
  const second = leasesOf(pool, 1)
  first?.release()
  const [again] = await second
  expect(places.wants.at(-1)).toEqual({ have: 1, want: 1, idle: 0 })
  again?.release()
  expect(places.wants.at(-1)).toEqual({ have: 1, want: 1, idle: 1 })
})

test('the lane that has the least of its share is served first', async () => {
  await using relay = await openScriptedRelay()
  const shares = { transactional: 0.5, bulk: 0.25 }
  using pool = countedPool(relay.port, { maxConnectionsPerWorker: 4 }, systemClock, { shares })
  const served: string[] = []
  const take = async (lane: string) => {
    const acquired = await pool.acquire(never, lane)
    if ('refusal' in acquired) throw new Error(acquired.refusal.kind)
    served.push(lane)
    return acquired.lease
  }
  const busy = await Promise.all(Array.from({ length: 4 }, () => take('bulk')))
  const waiting = [take('bulk'), take('bulk'), take('transactional'), take('transactional')]
  for (const lease of busy) {
    lease.release()
    await systemClock.sleep(1)
  }
  for (const lease of await Promise.all(waiting)) lease.release()
  expect(served.slice(4)).toEqual(['transactional', 'transactional', 'bulk', 'bulk'])
})
