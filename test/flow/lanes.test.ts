import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { Fleet } from '../../scripts/bench/churn.js'
import { runLanesTrial } from '../../scripts/bench/lanes-trial.js'
import { enqueueBacklog } from '../../scripts/bench/letters.js'
import { openStage } from '../../scripts/bench/stage.js'
import { freshName } from '../helpers/fresh-name.js'

const perSecond = 100
const limit = { ratePerSecond: perSecond, burst: 50, selfTuning: false }

// The long form, beside a million rows, is `npm run bench:lanes`.
test('99 of 100 single mails are at the relay within a second while a batch waits behind its rate', async () => {
  const result = await runLanesTrial({
    processes: 2,
    bulk: 10_000,
    perSecond,
    burst: 50,
    singles: 20,
    seconds: 6,
    redis: inject('redisUrl'),
    name: freshName(),
  })
  expect(result).toMatchObject({ singles: 120, missing: 0 })
  expect(result.p99).toBeLessThan(1_000)
  // What the single mails leave goes to the batch.
  expect(result.bulkPerSecond).toBeGreaterThan(60)
}, 60_000)

test('two lanes that both have too much each have at least their share, and together all of the rate', async () => {
  await using stage = await openStage({ redis: inject('redisUrl'), name: freshName(), relay: limit })
  await enqueueBacklog(stage.queue, 2_000, { lane: 'transactional' })
  await enqueueBacklog(stage.queue, 2_000, { lane: 'bulk' })
  const fleet = new Fleet(stage)
  await Promise.all([fleet.start(), fleet.start()])
  await stage.sink.waitForMessages(1)
  await sleep(2_000)
  const from = stage.sink.messages.length
  await sleep(6_000)
  const senders = stage.sink.messages.slice(from).map((message) => message.to[0]?.split('@')[1])
  const shareOf = (lane: string) => senders.filter((domain) => domain === `${lane}.example.com`).length / 600
  expect(shareOf('transactional')).toBeGreaterThan(0.48)
  expect(shareOf('bulk')).toBeGreaterThan(0.24)
  expect(senders.length / 600).toBeGreaterThan(0.9)
}, 60_000)
