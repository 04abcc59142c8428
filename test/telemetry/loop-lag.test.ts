import { expect, test } from 'vitest'
import { openLoopLag } from '../../src/telemetry/loop-lag.js'
import { eventually } from '../helpers/eventually.js'

/** Time passes in turns of a quarter of a minute. */
function openAt() {
  let turn: () => void = () => undefined
  const lag = openLoopLag({
    every: (_ms, run) => {
      turn = run
      return () => undefined
    },
  })
  return { lag, turn: () => turn() }
}

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('who blocks the event loop is seen for a minute, however often one looks, and then no more', async () => {
  const { lag, turn } = openAt()
  try {
    const before = await eventually('something was measured', () => lag.read())
    expect(before.p50).toBeLessThan(0.1)
    block(400)
    const seen = await eventually('it was seen', () =>
      (lag.read()?.max ?? 0) > 0.3 ? lag.read() : undefined,
    )
    expect(seen.max).toBeLessThan(2)
    expect(seen.p50).toBeLessThan(seen.max)
    for (let looks = 0; looks < 10; looks += 1) expect(lag.read()?.max).toBe(seen.max)
    for (let turns = 0; turns < 3; turns += 1) turn()
    expect(lag.read()?.max).toBe(seen.max)
    turn()
    await eventually('it was forgotten', () => (lag.read()?.max ?? 1) < 0.3)
  } finally {
    lag.stop()
  }
})

test('once stopped it tells nothing', async () => {
  const { lag } = openAt()
  await eventually('something was measured', () => lag.read())
  lag.stop()
  expect(lag.read()).toBeUndefined()
})
