import { expect, inject, test } from 'vitest'
import { runTuningTrial } from '../../scripts/bench/tuning-trial.js'
import { keysOf } from '../../src/redis.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

// The long form, with the figures that are promised, is `npm run bench:tuning`.
test('a fleet that is told too high a rate goes as fast as its relay takes it, and follows it down', async () => {
  const { phases, refused } = await runTuningTrial({
    processes: 2,
    perSecond: 100,
    takes: [60, 30],
    seconds: 25,
    settleSeconds: 10,
    redis: inject('redisUrl'),
    name: freshName(),
  })
  for (const { used } of phases) {
    expect(used).toBeGreaterThan(0.7)
    expect(used).toBeLessThanOrEqual(1)
  }
  expect(refused).toBeGreaterThan(0)
  expect(refused).toBeLessThan(0.06)
}, 90_000)

async function circuitOf(flow: MailFlow): Promise<object | undefined> {
  return (await flow.queue.relays()).find(({ relay }) => relay === 'main')
}

async function tunedOf(flow: MailFlow): Promise<Record<string, { reply: string }>> {
  await using redis = openRedis(flow)
  const state: { tuned: Record<string, { reply: string }> } = JSON.parse(
    (await redis.hget(keysOf(flow.name).limits('main'), 'limits')) ?? '{"tuned":{}}',
  )
  return state.tuned
}

test('a relay that asks for less is sent less, and its circuit stays closed', async () => {
  await using flow = await openMailFlow({ slower: { above: 10 } })
  await flow.work()
  const batch = await flow.queue.enqueueBatch(rowsTo(150), content)
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 150, failed: 0 })
  expect(await circuitOf(flow)).toMatchObject({ circuit: 'closed' })
  expect(await tunedOf(flow)).toMatchObject({ '': { reply: '451 4.7.1 Too many messages, slow down' } })
}, 60_000)

test('without self-tuning it is a fault that opens the circuit', async () => {
  await using flow = await openMailFlow({ slower: { above: 10 } })
  const main = { host: '127.0.0.1', port: flow.sink.smtpPort, selfTuning: false }
  await flow.work({ relays: { main } })
  await flow.queue.enqueueBatch(rowsTo(150), content)
  await eventually('it is open', async () => {
    const circuit = await circuitOf(flow)
    return circuit && 'fault' in circuit && circuit.fault === 'policy'
  })
  expect(await tunedOf(flow)).toEqual({})
}, 60_000)
