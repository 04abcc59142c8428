import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { createRawMessage, type EmailFields, MailQueue } from '../../src/index.js'
import { type EnqueueContext, enqueueEmail } from '../../src/queue/enqueue.js'
import { createLaneQueues } from '../../src/queue/lane-queues.js'
import { createRedis, keysOf } from '../../src/redis.js'
import { createContentStore } from '../../src/store/contents.js'
import { createReceiptStore } from '../../src/store/receipts.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'

const conflict = { code: 'idempotency_conflict' }
const fields: EmailFields = {
  subject: 'Once',
  body: 'Once',
  recipients: ['a@example.com'],
  attachments: [{ filename: 'a.txt', content: 'bytes' }],
}
const create = (flow: MailFlow, changed: Partial<EmailFields> = {}) =>
  flow.mail.create({ ...fields, ...changed })
const once50 = Array.from({ length: 50 }, (_, index) => index)

test('one key and one email from 50 callers at once is one receipt and one delivery', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await using other = new MailQueue({ redis: flow.redisUrl, name: flow.name })
  const enqueue = (index: number) =>
    (index % 2 ? flow.queue : other).enqueue(create(flow), { idempotencyKey: 'order-1' })
  const receipts = await Promise.all(once50.map(enqueue))
  expect(receipts.filter(({ repeated }) => !repeated)).toHaveLength(1)
  for (const { messageId, deliveries } of receipts)
    expect({ messageId, deliveries }).toEqual({
      messageId: receipts[0]?.messageId,
      deliveries: receipts[0]?.deliveries,
    })
  await flow.work()
  await flow.sink.waitForMessages(1)
  await eventually('it is settled', async () => (await flow.queue.status())[0]?.sent === 1)
  expect(flow.sink.messages[0]?.bytes.toString()).toContain(`Message-ID: ${receipts[0]?.messageId}`)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, pending: 0, waiting: 0 })
  // What the 49 others had stored is gone with what the one had.
  expect(await redis.keys(`{${flow.name}}:v1:content:*`)).toEqual([])
  expect(await redis.keys(`{${flow.name}}:v1:file:*`)).toEqual([])
})

test('the same email object from many callers leaves nothing behind either', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const email = create(flow)
  await Promise.all(once50.map(() => flow.queue.enqueue(email, { idempotencyKey: 'order-1' })))
  await flow.work()
  await eventually(
    'its content is gone',
    async () => (await redis.keys(`{${flow.name}}:v1:content:*`)).length === 0,
  )
  expect(flow.sink.messages).toHaveLength(1)
})

test('a receipt is found again when its job is gone, and forgotten after its time', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const first = await flow.queue.enqueue(create(flow), { idempotencyKey: 'k' })
  await eventually('it is settled', async () => (await flow.queue.status())[0]?.sent === 1)
  const id = first.deliveries[0]?.id ?? ''
  await eventually(
    'its job is done',
    async () => await redis.zscore(`{${flow.name}}:transactional:completed`, id),
  )
  await redis.zrem(`{${flow.name}}:transactional:completed`, id)
  await redis.del(`{${flow.name}}:transactional:${id}`)
  expect(await flow.queue.enqueue(create(flow), { idempotencyKey: 'k' })).toEqual({
    ...first,
    repeated: true,
  })
  const [receipt = ''] = await redis.keys(`{${flow.name}}:v1:receipt:*`)
  expect(await redis.ttl(receipt)).toBeGreaterThan(86_390)
  await redis.del(receipt)
  expect((await flow.queue.enqueue(create(flow), { idempotencyKey: 'k' })).repeated).toBe(false)
  await flow.sink.waitForMessages(2)
})

test('50 callers at once find the receipt of an email that was sent and whose job is gone', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const first = await flow.queue.enqueue(create(flow), { idempotencyKey: 'k' })
  const id = first.deliveries[0]?.id ?? ''
  const completed = `{${flow.name}}:transactional:completed`
  await eventually('its job is done', async () => await redis.zscore(completed, id))
  await redis.zrem(completed, id)
  await redis.del(`{${flow.name}}:transactional:${id}`)
  await redis.del(`{${flow.name}}:v1:mark:${id}`)
  const again = await Promise.all(once50.map(() => flow.queue.enqueue(create(flow), { idempotencyKey: 'k' })))
  expect(again).toEqual(once50.map(() => ({ ...first, repeated: true })))
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, sent: 1, waiting: 0, active: 0 })
  expect(flow.sink.messages).toHaveLength(1)
})

test('how long a key is remembered is an option of the queue and of the call', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await using queue = new MailQueue({ redis: flow.redisUrl, name: flow.name, idempotencyTtlSeconds: 600 })
  const ttlOf = async () => redis.ttl((await redis.keys(`{${flow.name}}:v1:receipt:*`))[0] ?? '')
  await queue.enqueue(create(flow), { idempotencyKey: 'k' })
  expect(await ttlOf()).toBeGreaterThan(590)
  expect(await ttlOf()).toBeLessThanOrEqual(600)
  await redis.del(...(await redis.keys(`{${flow.name}}:v1:receipt:*`)))
  await queue.enqueue(create(flow), { idempotencyKey: 'k', idempotencyTtlSeconds: 30 })
  expect(await ttlOf()).toBeLessThanOrEqual(30)
  const wrong = { idempotencyKey: 'k', idempotencyTtlSeconds: 0 }
  await expect(queue.enqueue(create(flow), wrong)).rejects.toMatchObject({ code: 'invalid_params' })
  expect(() => new MailQueue({ idempotencyTtlSeconds: 1.5 })).toThrow(/idempotencyTtlSeconds/)
})

const date = new Date('2026-03-01T12:00:00Z')
test.each<[string, Partial<EmailFields>, Partial<EmailFields>]>([
  ['another body', {}, { body: 'Twice' }],
  ['another recipient in Bcc', {}, { bcc: ['b@example.com'] }],
  [
    'other bytes in an attachment of the same name',
    {},
    { attachments: [{ filename: 'a.txt', content: 'other' }] },
  ],
  [
    'another Message-ID, where one is given',
    { messageId: '<1@example.com>' },
    { messageId: '<2@example.com>' },
  ],
  ['a Message-ID that is given, after one that was made', {}, { messageId: '<2@example.com>' }],
  ['another Date, where one is given', { date }, { date: new Date(date.getTime() + 1000) }],
])('the same key with %s is a conflict', async (_what, first, second) => {
  await using flow = await openMailFlow()
  const enqueue = (changed: Partial<EmailFields>) =>
    flow.queue.enqueue(create(flow, changed), { idempotencyKey: 'k' })
  const receipt = await enqueue(first)
  await expect(enqueue(second)).rejects.toMatchObject(conflict)
  expect(await enqueue(first)).toEqual({ ...receipt, repeated: true })
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1 })
})

test('the same key with other options is a conflict, and with another time to live it is the same', async () => {
  await using flow = await openMailFlow()
  const enqueue = (options: object) => flow.queue.enqueue(create(flow), { idempotencyKey: 'k', ...options })
  await enqueue({})
  await expect(enqueue({ lane: 'bulk' })).rejects.toMatchObject(conflict)
  await expect(enqueue({ sendAt: new Date('2099-01-01') })).rejects.toMatchObject(conflict)
  expect(await enqueue({ idempotencyTtlSeconds: 60 })).toMatchObject({ repeated: true })
})

test('a composed message is the same with other boundaries, Date and Message-ID, and another with another word', async () => {
  await using flow = await openMailFlow()
  const compose = (boundary: string, word: string) =>
    createRawMessage({
      from: 'news@example.com',
      to: ['a@example.com'],
      bytes: Buffer.from(
        [
          'From: news@example.com',
          `Message-ID: <${boundary}@example.com>`,
          'Subject: Hi',
          `Content-Type: multipart/alternative; boundary="${boundary}"`,
          '',
          `--${boundary}`,
          '',
          word,
          `--${boundary}--`,
          '',
        ].join('\r\n'),
      ),
    })
  const options = { idempotencyKey: 'k' }
  const first = await flow.queue.enqueue(compose('--=_first', 'word'), options)
  expect(await flow.queue.enqueue(compose('--=_second', 'word'), options)).toEqual({
    ...first,
    repeated: true,
  })
  await expect(flow.queue.enqueue(compose('--=_first', 'other'), options)).rejects.toMatchObject(conflict)
})

/** A caller that stands still when it has reserved its key, and its jobs are not there yet. */
function openSlowCaller(flow: MailFlow, standStill: () => Promise<void>, now: () => number) {
  const redis = createRedis(flow.redisUrl, 'worker')
  const keys = keysOf(flow.name)
  const contents = createContentStore(redis, keys)
  const lanes = createLaneQueues(redis, keys, ['transactional'])
  const context: EnqueueContext = {
    contents: {
      ...contents,
      async put(...what) {
        await standStill()
        await contents.put(...what)
      },
    },
    receipts: createReceiptStore(redis, keys),
    lanes,
    room: { check: async () => undefined },
    providerOf: () => 'other',
    idempotencyTtlSeconds: 1,
    now,
  }
  return {
    enqueue: (idempotencyKey?: string) => enqueueEmail(context, create(flow), { idempotencyKey }),
    async [Symbol.asyncDispose]() {
      await lanes.close()
      redis.disconnect()
    },
  }
}

test('a caller that stood still for as long as the email took to be sent changes nothing when it goes on', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const moments = new EventEmitter()
  const asked = once(moments, 'asked')
  const goesOn = once(moments, 'goesOn')
  const standStill = async () => {
    moments.emit('asked')
    await goesOn
  }
  await using caller = openSlowCaller(flow, standStill, Date.now)
  const slow = caller.enqueue('k')
  await asked
  const receipt = await flow.queue.enqueue(create(flow), { idempotencyKey: 'k' })
  const id = receipt.deliveries[0]?.id ?? ''
  await eventually(
    'its job is done',
    async () => await redis.zscore(`{${flow.name}}:transactional:completed`, id),
  )
  await redis.zrem(`{${flow.name}}:transactional:completed`, id)
  await redis.del(`{${flow.name}}:transactional:${id}`)
  moments.emit('goesOn')
  expect(await slow).toMatchObject({ deliveries: receipt.deliveries, messageId: receipt.messageId })
  await eventually('its job was looked at', async () => (await flow.queue.delivery(id)).state === 'sent')
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, sent: 1, pending: 0 })
  expect(flow.sink.messages).toHaveLength(1)
})

test.each([undefined, 'k'])(
  'a caller that stood still for longer than its content lives stores nothing and says so (key: %s)',
  async (idempotencyKey) => {
    await using flow = await openMailFlow()
    await using redis = openRedis(flow)
    let now = Date.now()
    const standStill = async () => {
      now += 3_600_000
    }
    await using caller = openSlowCaller(flow, standStill, () => now)
    await expect(caller.enqueue(idempotencyKey)).rejects.toMatchObject({ code: 'queue_unavailable' })
    expect((await flow.queue.status())[0]).toMatchObject({ accepted: 0, waiting: 0 })
    const receipts = await redis.keys(`{${flow.name}}:v1:receipt:*`)
    expect(receipts).toHaveLength(idempotencyKey ? 1 : 0)
    // The key still stands for this email, however short it is to be remembered afterwards.
    for (const receipt of receipts) expect(await redis.ttl(receipt)).toBeGreaterThan(3_500)
    expect((await flow.queue.enqueue(create(flow), { idempotencyKey })).deliveries).toHaveLength(1)
    expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, waiting: 1 })
  },
)

/** Enqueues in a process of its own, and kills it at some moment after it was told that so many are there. */
async function enqueueAndKill(flow: MailFlow, run: number): Promise<string[]> {
  const args = ['test/flow/fixtures/enqueueing.mjs', flow.redisUrl, flow.name, String(run)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: string[] = []
  createInterface(child.stdout).on('line', (line) => {
    acknowledged.push(line)
    if (acknowledged.length === 100) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return acknowledged
}

test('callers killed in the middle of enqueueing lose nothing that was acknowledged, and leave nothing that waits for ever', async () => {
  await using flow = await openMailFlow()
  const acknowledged: string[] = []
  for (let run = 0; run < 4; run += 1) acknowledged.push(...(await enqueueAndKill(flow, run)))
  expect(acknowledged.length).toBeGreaterThanOrEqual(400)
  const [before] = await flow.queue.status()
  expect(before?.accepted).toBeGreaterThanOrEqual(acknowledged.length)
  // Every delivery that is counted has its job, and every job is counted.
  expect(before).toMatchObject({ waiting: before?.accepted, pending: before?.accepted })
  await flow.work()
  await eventually('all are sent', async () => (await flow.queue.status())[0]?.pending === 0)
  expect((await flow.queue.status())[0]).toMatchObject({ sent: before?.accepted })
  const copies = flow.sink.copies()
  expect(acknowledged.filter((recipient) => copies.get(recipient) !== 1)).toEqual([])
}, 60_000)
