import { expect, test } from 'vitest'
import type { RelayLimitStatus } from '../../src/index.js'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'
import { run, type TerminalOptions } from './terminal.js'

function commandOf(flow: MailFlow, options: TerminalOptions = {}) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  return (...args: string[]) => run(['limits', ...args], { ...options, env })
}

async function workWith(flow: MailFlow, limits: object): Promise<void> {
  await flow.work({ relays: { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ...limits } } })
}

test('limits show what is configured, what was set and what holds now, within 80 columns', async () => {
  await using flow = await openMailFlow()
  await workWith(flow, {
    ratePerSecond: 200,
    burst: 60,
    maxConnections: 8,
    perDay: 10_000,
    warmup: { from: 50, to: 5_000, days: 20 },
    providers: { google: { ratePerSecond: 20 } },
  })
  const limits = commandOf(flow, { columns: 80 })
  await limits('set', 'main', '--rate', '100', '--per-day', 'none')
  const { stdout, exitCode } = await limits()
  expect(exitCode).toBe(0)
  const row = (name: string) => stdout.split('\n').find((line) => line.trim().startsWith(name))
  expect(row('messages')).toMatch(/200\/s +100\/s +100\/s +0\/s/)
  expect(row('burst')).toMatch(/60 +–/)
  expect(row('to google')).toMatch(/20\/s +– +20\/s +0\/s/)
  expect(row('connections')).toMatch(/8 +– +8 +0/)
  expect(row('in 24 hours')).toMatch(/10,000 +none +50 +0/)
  expect(stdout).toMatch(/warm-up, step 1 of 20 \(from 50 to 5,000\)/)
  expect(stdout).toMatch(/bulk 0\/s \(sure of 25 %\), transactional 0\/s \(sure of 50\s+%\)/)
  expect(Math.max(...stdout.split('\n').map(widthOf))).toBeLessThanOrEqual(80)
})

test('a rate that is set is what a worker sends at within a second, and a reset gives the configured one back', async () => {
  await using flow = await openMailFlow()
  await workWith(flow, { ratePerSecond: 1, burst: 1 })
  const limits = commandOf(flow)
  await flow.queue.enqueueBatch(
    Array.from({ length: 60 }, (_, index) => ({ to: `r${index}@example.com` })),
    { subject: 'Hello', text: 'Hello', sender: 'news@example.com' },
  )
  await eventually('the first has arrived', () => flow.sink.messages.length > 0)
  const setAt = Date.now()
  await limits('set', 'main', '--rate', '400', '--burst', 'none')
  await eventually('all have arrived', () => flow.sink.messages.length === 60)
  expect(Date.now() - setAt).toBeLessThan(3_000)
  await limits('reset', 'main')
  const [status] = JSON.parse((await limits('--json')).stdout) as RelayLimitStatus[]
  expect(status?.buckets[0]?.ratePerSecond).toEqual({ configured: 1, now: 1 })
})

test('what was set for a provider holds for it alone, and outlives the worker', async () => {
  await using flow = await openMailFlow()
  await workWith(flow, {})
  const limits = commandOf(flow)
  const said = await limits('set', 'main', '--provider', 'google', '--rate', '2.5', '--json')
  const buckets = [{ ratePerSecond: {} }, { provider: 'google', ratePerSecond: { set: 2.5, now: 2.5 } }]
  expect(JSON.parse(said.stdout)).toMatchObject({ relay: 'main', buckets })
  await workWith(flow, {})
  expect(await flow.queue.limits.list('main')).toMatchObject([{ buckets }])
  await limits('reset', 'main', '--provider', 'google')
  expect((await flow.queue.limits.list('main'))[0]?.buckets).toHaveLength(1)
})

test('what cannot be is refused by name, and changes nothing', async () => {
  await using flow = await openMailFlow()
  const limits = commandOf(flow)
  expect(await limits('set', 'main', '--rate', '1')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/there is no relay "main"; no worker had a relay.*\(relay_not_found\)/),
  })
  await workWith(flow, { ratePerSecond: 200, burst: 50 })
  const before = await flow.queue.limits.list()
  const wrong = [
    [['show', 'mian'], 2, /there is no relay "mian"; there are: main \(relay_not_found\)/],
    [['set', 'mian', '--rate', '1'], 2, /there is no relay "mian"; there are: main \(relay_not_found\)/],
    [['reset', 'mian'], 2, /there is no relay "mian"; there are: main \(relay_not_found\)/],
    [['set', 'main'], 1, /name a limit, such as --rate 100/],
    [['set', 'main', '--rate', 'fast'], 1, /--rate takes a number from 0.001 to 1000000, or none/],
    [['set', 'main', '--rate', '0'], 1, /--rate takes a number/],
    [['set', 'main', '--connections', '1.5'], 1, /--connections takes a whole number of 1 or more/],
    [['set', 'main', '--rate', '400'], 2, /\] --burst is 50 and must be at least 100.*\(invalid_params\)/],
    [
      ['set', 'main', '--provider', 'gogle', '--rate', '1'],
      1,
      /--provider: there is no provider "gogle"; there are google, /,
    ],
    [
      ['set', 'main', '--provider', 'google', '--burst', '5'],
      1,
      /--burst goes with a rate.*: set --rate as well/,
    ],
    [['set', 'main', '--provider', 'google', '--per-day', '5'], 1, /do not go with --provider/],
  ] as const
  for (const [args, code, message] of wrong) {
    const { exitCode, stderr } = await limits(...args)
    expect(stderr).toMatch(message)
    expect(exitCode).toBe(code)
  }
  expect(await flow.queue.limits.list()).toEqual(before)
})

test('each command says in its help what it takes, with an example', async () => {
  for (const command of ['', 'show', 'set', 'reset']) {
    const { exitCode, stdout } = await run(['limits', command, '--help'].filter(Boolean), { columns: 80 })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/Examples?:\n {2}fluxmail limits/)
    expect(Math.max(...stdout.split('\n').map(widthOf))).toBeLessThanOrEqual(80)
  }
})
