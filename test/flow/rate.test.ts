import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { Fleet } from '../../scripts/bench/churn.js'
import { enqueueBacklog } from '../../scripts/bench/letters.js'
import { isWithin, type RateOptions, runRateTrial } from '../../scripts/bench/rate-trial.js'
import { openStage, relayName } from '../../scripts/bench/stage.js'
import { busiestSecond, shareUsed } from '../../scripts/bench/window.js'
import type { SinkEvent } from '../../src/sink/sink.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'

const perSecond = 100
const burst = 50

function trial(options: Partial<RateOptions> & Pick<RateOptions, 'processes' | 'seconds'>) {
  const where = { redis: inject('redisUrl'), name: freshName() }
  return runRateTrial({ perSecond, burst, ...where, ...options })
}

test('in no second more than rate and burst with 2 processes, and all of the rate is used', async () => {
  // Never more; less only where others keep the machine busy, and then not each time.
  for (let round = 1, used = 0; round <= 3 && used < 0.95; round += 1) {
    const result = await trial({ processes: 2, seconds: 5 })
    expect(result.surelyBusiest, JSON.stringify(result)).toBeLessThanOrEqual(perSecond + burst)
    used = result.used
    if (round === 3) expect(used).toBeGreaterThan(0.95)
  }
}, 60_000)

test('a fleet that is told a higher rate than it is measured by is found out', async () => {
  const result = await trial({
    processes: 2,
    seconds: 3,
    relay: { ratePerSecond: 2 * perSecond, burst: perSecond, selfTuning: false },
  })
  expect(isWithin(result)).toBe(false)
}, 60_000)

test('a rate that is set while workers run holds at the relay within a second, lower and higher', async () => {
  const relay = { ratePerSecond: perSecond, burst, selfTuning: false }
  await using stage = await openStage({ redis: inject('redisUrl'), name: freshName(), relay })
  await enqueueBacklog(stage.queue, 3_000)
  const fleet = new Fleet(stage)
  await Promise.all([fleet.start(), fleet.start()])
  await stage.sink.waitForMessages(1)
  await sleep(2_000)
  const countFor = async (ratePerSecond: number, seconds: number) => {
    await stage.queue.limits.set(relayName, { ratePerSecond, burst: 10 })
    await sleep(1_000)
    const before = stage.sink.arrivals.offered.length
    await sleep(seconds * 1_000)
    return stage.sink.arrivals.offered.length - before
  }
  const lower = await countFor(20, 4)
  expect(lower).toBeLessThanOrEqual(4 * 20 + 10)
  expect(lower).toBeGreaterThan(60)
  expect(await countFor(40, 3)).toBeGreaterThan(3 * 20 + 10)
}, 60_000)

test('the permits of a worker that is killed are with the others at once', async () => {
  const relay = { ratePerSecond: perSecond, burst, selfTuning: false }
  await using stage = await openStage({ redis: inject('redisUrl'), name: freshName(), relay })
  await enqueueBacklog(stage.queue, 2_000)
  const fleet = new Fleet(stage)
  const [doomed] = await Promise.all([fleet.start(), fleet.start()])
  await stage.sink.waitForMessages(1)
  await sleep(3_000)
  const killedAt = performance.now()
  await fleet.end(doomed, 'kill')
  await sleep(4_000)
  const { offered } = stage.sink.arrivals
  expect(shareUsed(offered, killedAt + 2_000, killedAt + 4_000, perSecond)).toBeGreaterThan(0.9)
  expect(busiestSecond(offered)).toBeLessThanOrEqual(perSecond + burst)
}, 60_000)

test('the connections of a worker that is killed are with the others within two seconds', async () => {
  const maxConnections = 4
  let closed = 0
  let most = 0
  const open = () => stage.sink.connections - closed
  const witness = ({ kind }: SinkEvent) => {
    if (kind === 'closed') closed += 1
    if (kind === 'begun') most = Math.max(most, open())
  }
  await using stage = await openStage({
    redis: inject('redisUrl'),
    name: freshName(),
    relay: { maxConnections },
    sink: { latencyMs: 200, witness },
  })
  await enqueueBacklog(stage.queue, 500)
  const fleet = new Fleet(stage)
  const [doomed] = await Promise.all([fleet.start(), fleet.start()])
  await stage.sink.waitForMessages(1)
  await sleep(3_000)
  await fleet.end(doomed, 'kill')
  await eventually('its connections are gone', () => open() < maxConnections, { withinMs: 500 })
  await eventually('the other has them all', () => open() === maxConnections, { withinMs: 2_000 })
  expect(most).toBe(maxConnections)
}, 60_000)
