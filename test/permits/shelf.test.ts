import { expect, test } from 'vitest'
import { type Block, Shelf, type Waiter } from '../../src/permits/shelf.js'

const CALL_MS = 100
const GOOD_MS = 300
const STEP_MS = 5

/** How often nothing was there for a delivery whose permit had grown old while it waited; one comes every 25 ms. */
function dryTakes(forMs: number, patientMs: number): number {
  const shelf = new Shelf('other', 'bulk')
  const line: { readonly block: Block; readonly since: number }[] = []
  let dry = 0
  const wait = (since: number) => {
    const waiter: Waiter = {
      serve(_, block) {
        shelf.waiting.delete(waiter)
        line.push({ block: { ...block }, since })
      },
      hear: () => undefined,
    }
    shelf.waiting.add(waiter)
  }
  for (let now = 0; now < forMs; now += STEP_MS) {
    if (now % CALL_MS === 0) {
      const count = shelf.want(now, 1_000)
      if (count > 0) shelf.put({ count, at: now, until: now + GOOD_MS })
    }
    if (now % 25 !== 0) continue
    const block = shelf.take(now)
    if (block) line.push({ block: { ...block }, since: now })
    else wait(now)
    const [first] = line
    if (first === undefined || now - first.since < patientMs) continue
    line.shift()
    shelf.putBack(first.block, now)
    if (shelf.take(now) === undefined && now > 1_500) dry += 1
  }
  return dry
}

test('whoever waited so long that its permit grew old finds another one', () => {
  expect(dryTakes(10_000, 500)).toBeLessThan(10)
})

test('a permit that comes back in time is taken again, and no further one is asked for', () => {
  const shelf = new Shelf('other', 'bulk')
  shelf.put({ count: 10, at: 0, until: GOOD_MS })
  for (let index = 0; index < 50; index += 1) {
    const block = shelf.take(10)
    if (block) shelf.putBack({ ...block }, 20)
  }
  expect(shelf.count).toBe(10)
  expect(shelf.want(CALL_MS, 1_000)).toBe(0)
})
