import { expect, test } from 'vitest'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'
import { writeFiles } from './folder.js'
import { startCommand } from './process.js'
import { run } from './terminal.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 60_000, maxAttempts: 1 }
const lanes = {
  bulk: { retry, unknown: 'hold' as const },
  transactional: { retry, unknown: 'hold' as const },
}

/** A batch that has ended, one row for each address. */
async function ended(flow: MailFlow, addresses: readonly string[]): Promise<void> {
  const worker = await flow.work({ lanes })
  const batch = await flow.queue.enqueueBatch(
    addresses.map((to) => ({ to })),
    content,
    { batchId: 'spring' },
  )
  const { failed, unknown } = await batch.wait({ intervalMs: 20 })
  await eventually('all jobs have ended', async () => {
    const groups = await flow.queue.failures({ batch: 'spring' }).groups()
    return groups.reduce((sum, { count }) => sum + count, 0) === failed + unknown
  })
  await worker.close()
}

function commandOf(flow: MailFlow) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  return (...args: string[]) => run(args, { env })
}

test('failures are a table of 80 columns, JSON, or CSV with a line for each recipient', async () => {
  await using flow = await openMailFlow()
  const fluxmail = commandOf(flow)
  expect((await fluxmail('failures')).stdout).toBe('no delivery failed or is unknown\n')
  await ended(flow, [
    'reject-a@example.com',
    'reject-b@example.com',
    'full-c@example.com',
    'lost-d@example.com',
    'e@example.com',
  ])
  const table = await fluxmail('failures', '--batch', 'spring')
  expect(table.exitCode).toBe(0)
  expect(table.stdout).toMatch(/^4 deliveries in 3 groups$/m)
  expect(table.stdout).toMatch(
    /^ +2 {2}[0-9a-f]{8} {2}550 5\.1\.1 {2}<address>: Recipient address rejected: User unknown$/m,
  )
  expect(Math.max(...table.stdout.split('\n').map(widthOf))).toBeLessThanOrEqual(80)
  const groups = JSON.parse((await fluxmail('failures', '--batch', 'spring', '--json')).stdout)
  expect(groups[0]).toMatchObject({
    count: 2,
    code: '550 5.1.1',
    outcome: 'failed',
    example: { recipient: expect.stringMatching(/^reject-/) },
  })
  const csv = (await fluxmail('failures', '--group', groups[0].id, '--csv')).stdout.trim().split('\n')
  expect(csv[0]).toBe(
    'delivery,recipient,outcome,code,reply,group,relay,attempts,at,message_id,batch,lane,replays',
  )
  expect(
    csv
      .slice(1)
      .map((line) => line.split(',')[1])
      .sort(),
  ).toEqual(['reject-a@example.com', 'reject-b@example.com'])
  const unknown = await fluxmail('failures', '--unknown', '--csv')
  expect(unknown.stdout.trim().split('\n')).toHaveLength(2)
  expect((await fluxmail('failures', '--csv', '--json')).exitCode).toBe(1)
  expect((await fluxmail('failures', '--since', 'yesterday')).exitCode).toBe(1)
  expect((await fluxmail('failures', '--since', '1h', '--json')).stdout).toContain('550 5.1.1')
  expect((await fluxmail('failures', '--batch', 'no-such')).stderr).toContain('(batch_not_found)')
})

test('a replay is counted first, needs to be told of what, and says what it left', async () => {
  await using flow = await openMailFlow()
  const fluxmail = commandOf(flow)
  await ended(flow, ['defer-1-a@example.com', 'lost-b@example.com', 'c@example.com'])
  expect((await fluxmail('replay')).exitCode).toBe(1)
  const dry = await fluxmail('replay', '--batch', 'spring', '--dry-run')
  expect(dry.stdout).toMatch(/^1 delivery would be replayed; nothing was changed$/m)
  expect(dry.stdout.replaceAll('\n', ' ')).toMatch(/left as they are: 1, .*\(--include-unknown\)/)
  const replayed = await fluxmail('replay', '--batch', 'spring', '--why', 'they are back', '--json')
  expect(JSON.parse(replayed.stdout)).toMatchObject({ replayed: 1, left: { unknown: 1 }, stopped: false })
  const explained = await fluxmail('explain', 'spring')
  expect(explained.stdout).toMatch(/1 delivery \(batch spring\); they are back/)
  expect((await fluxmail('explain', 'spring.0')).stdout).toMatch(/^replayed once at .*: they are back$/m)
  expect((await fluxmail('replay', '--id', 'spring.2')).stderr).toContain('(not_replayable)')
})

test('unknown deliveries are resolved one by one, or by a file from the log of the relay', async () => {
  await using flow = await openMailFlow()
  const fluxmail = commandOf(flow)
  await ended(flow, [
    'lost-a@example.com',
    'lost-b@example.com',
    'lost-c@example.com',
    'lost-d@example.com',
    'e@example.com',
  ])
  const failures = new Map<string, string>()
  for await (const { id, messageId = '' } of flow.queue.failures({ batch: 'spring' }))
    failures.set(id, messageId)
  expect((await fluxmail('resolve', 'spring.0', '--sent')).exitCode).toBe(0)
  const again = await fluxmail('resolve', 'spring.0', '--not-sent')
  expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(not_unknown)') })
  expect((await fluxmail('resolve', 'spring.1')).exitCode).toBe(1)
  expect((await fluxmail('resolve', 'spring.1', '--sent', '--not-sent')).exitCode).toBe(1)
  const [csv = '', ndjson = '', wrong = ''] = await writeFiles({
    'log.csv': `Message-ID,Verdict\n${failures.get('spring.1')?.slice(1, -1)},sent\n<other@example.com>,sent\nspring.2,Not sent\n,sent\nspring.3,maybe\n`,
    'log.ndjson': `{"messageId":"${failures.get('spring.3')}","recipient":"LOST-D@example.com","verdict":"not_sent"}\n{"id":"spring.4","verdict":"sent"}\n`,
    'wrong.csv': 'a,b\n1,2\n',
  })
  const first = await fluxmail('resolve', '--file', csv)
  expect(first.stdout).toMatch(/^1 delivery resolved as sent, 1 as not sent$/m)
  expect(first.stdout).toMatch(/^1 line is of no delivery that is unknown$/m)
  expect(first.stderr).toMatch(/^line 5: it names no delivery/m)
  expect(first.stderr).toMatch(/^line 6: its verdict is neither/m)
  expect(first.exitCode).toBe(2)
  const second = await fluxmail('resolve', '--file', ndjson, '--batch', 'spring')
  expect(second).toMatchObject({ exitCode: 0, stderr: '' })
  expect((await fluxmail('resolve', '--file', wrong)).exitCode).toBe(1)
  expect((await fluxmail('resolve', '--file', `${wrong}.none`)).exitCode).toBe(1)
  expect(await flow.queue.batch('spring').status()).toMatchObject({
    sent: 3,
    failed: 2,
    unknown: 0,
    failures: { resolved_not_sent: 2 },
  })
})

test('a replay that is killed at any moment loses none, and the same command again goes on', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const count = 400
  await ended(
    flow,
    Array.from({ length: count }, (_, index) => `defer-1-${index}@example.com`),
  )
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  const batch = flow.queue.batch('spring')
  const wait = `{${flow.name}}:bulk:wait`
  for (const [round, target] of [40, 130, 260].entries()) {
    const command = startCommand(['replay', '--batch', 'spring', ...(round < 2 ? ['--rate', '300'] : [])], {
      env,
    })
    await eventually('some are replayed', async () => (await batch.status()).pending >= target)
    command.signal('SIGKILL')
    await command.exited
    const { total, failed, pending } = await batch.status()
    expect(failed + pending).toBe(total)
    expect(await redis.llen(wait)).toBe(pending)
  }
  const stopped = startCommand(['replay', '--batch', 'spring', '--rate', '20'], { env })
  const before = (await batch.status()).pending
  await eventually('it goes on', async () => (await batch.status()).pending > before)
  stopped.signal('SIGINT')
  expect(await stopped.exited).toBe(130)
  expect(stopped.stdout).toContain('the same command again goes on')
  await flow.queue.replay({ batch: 'spring' })
  await flow.work({ lanes })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: count, failed: 0, pending: 0 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
  expect(flow.sink.copies().size).toBe(count)
}, 90_000)
