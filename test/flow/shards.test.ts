import { expect, inject, test } from 'vitest'
import { MailQueue, type MailQueueOptions } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, quickLanes, rowsTo } from '../helpers/mail-flow.js'
import { openRedisCluster, type RedisCluster } from '../helpers/redis-fleet.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const again = { intervalMs: 20 }
const shards = 2

/** A flow whose lanes are in two places: transactional in the first, bulk in the second. */
async function openShards(url?: string, options: Partial<MailQueueOptions> = {}) {
  const flow = await openMailFlow({}, url)
  const queue = new MailQueue({ redis: flow.redisUrl, name: flow.name, shards, ...options })
  return {
    ...flow,
    queue,
    work: (given: Parameters<MailFlow['work']>[0] = {}) => flow.work({ shards, ...given }),
    async [Symbol.asyncDispose]() {
      await queue.close()
      await flow[Symbol.asyncDispose]()
    },
  }
}

async function openOnTwoMasters(cluster: RedisCluster) {
  for (;;) {
    const flow = await openShards(cluster.url)
    const [one, other] = [await cluster.masterOf(flow.name), await cluster.masterOf(`${flow.name}~1`)]
    if (one !== other) return { flow, homes: [one, other] as const }
    await flow[Symbol.asyncDispose]()
  }
}

const mailTo = ({ mail }: MailFlow, ...recipients: string[]) =>
  mail.create({ subject: 'Hi', body: 'Hi', recipients })

/** One single mail and a batch of one row; their deliveries' ids, of either lane. */
async function oneOfEach(flow: MailFlow, to: string, batchId = 'each') {
  const { deliveries } = await flow.queue.enqueue(mailTo(flow, to))
  const batch = await flow.queue.enqueueBatch([{ to }], content, { batchId })
  return [deliveries[0]?.id ?? '', `${batch.id}.0`] as const
}

const statesOf = ({ queue }: MailFlow, ids: readonly string[]) =>
  Promise.all(ids.map(async (id) => (await queue.delivery(id)).state))

async function reach(flow: MailFlow, ids: readonly string[], state: string) {
  await eventually(`all are ${state}`, async () =>
    (await statesOf(flow, ids)).every((each) => each === state),
  )
}

test('two lanes on two masters of a cluster: two workers send a batch and singles, and each is counted once', async () => {
  await using cluster = await openRedisCluster()
  const { flow: opened, homes } = await openOnTwoMasters(cluster)
  await using flow = opened
  const { queue, sink } = flow
  const batch = await queue.enqueueBatch(rowsTo(300), content, { batchId: 'b' })
  await Promise.all([flow.work(), flow.work()])
  const singles = Array.from({ length: 100 }, (_, index) =>
    queue.enqueue(mailTo(flow, `s${index}@example.com`)),
  )
  const ids = (await Promise.all(singles)).flatMap(({ deliveries }) => deliveries.map(({ id }) => id))
  expect(await batch.wait(again)).toMatchObject({ sent: 300, failed: 0, unknown: 0, pending: 0 })
  expect(await queue.batch('b').status()).toMatchObject({ sent: 300, lane: 'bulk' })
  await reach(flow, ids, 'sent')
  expect((await queue.status()).map(({ lane, accepted, sent }) => [lane, accepted, sent])).toEqual([
    ['transactional', 100, 100],
    ['bulk', 300, 300],
  ])
  expect([...sink.copies().values()].filter((copies) => copies > 1)).toEqual([])
  expect(sink.copies().size).toBe(400)
  const sizes = await Promise.all(cluster.masters.map((node) => node.ask((client) => client.dbsize())))
  const used = cluster.masters.filter((_, index) => sizes[index]).map(({ port }) => port)
  expect(used.sort()).toEqual(homes.map(({ port }) => port).sort())
  expect(await queue.workers()).toHaveLength(2)
}, 60_000)

test('what is failed, replayed, told, explained and forgotten is so in both places', async () => {
  await using cluster = await openRedisCluster()
  const { flow: opened, homes } = await openOnTwoMasters(cluster)
  await using flow = opened
  await everywhere(flow, async () => {
    const found = homes.map((node, index) =>
      node.ask((client) => client.exists(streamsOf(flow)[index] ?? '')),
    )
    return (await Promise.all(found)).every((each) => each === 1)
  })
}, 60_000)

test('with one Redis the lanes are under two hash tags, and all of it is the same', async () => {
  await using flow = await openShards()
  await using redis = openRedis(flow)
  await everywhere(flow, async () => (await redis.exists(...streamsOf(flow))) === 2)
  expect(await redis.exists(`{${flow.name}}:v1:counts:transactional`)).toBe(1)
  expect(await redis.exists(`{${flow.name}~1}:v1:counts:bulk`)).toBe(1)
  expect(await redis.exists(`{${flow.name}}:v1:counts:bulk`)).toBe(0)
  expect(await redis.exists(`{${flow.name}~1}:v1:workers`)).toBe(0)
}, 60_000)

async function everywhere(flow: MailFlow, hasBegun: () => Promise<boolean>) {
  const { queue, sink } = flow
  const seen = new Map<string, string>()
  const ending = new AbortController()
  const reading = (async () => {
    for await (const outcome of queue.outcomes({ group: 'app', signal: ending.signal })) {
      seen.set(outcome.id, outcome.outcome)
      await outcome.ack()
    }
  })()
  await eventually('both groups have begun', hasBegun)
  const waiting = await oneOfEach(flow, 'waits@example.com', 'waiting')
  for (const id of waiting) {
    const { kind, waits } = await queue.explain(id)
    expect([kind, waits[0]?.kind]).toEqual(['delivery', 'worker'])
  }
  expect(await queue.explain('waiting')).toMatchObject({ kind: 'batch', status: { pending: 1 } })
  expect(await Promise.all(waiting.map((id) => queue.cancel(id)))).toEqual([true, true])
  await queue.suppressions.add('no@example.com')
  const suppressed = await oneOfEach(flow, 'no@example.com', 'suppressed')
  const failing = await oneOfEach(flow, 'reject-x@example.com', 'failing')
  const expected = [...waiting, ...suppressed].map((id) => [id, 'skipped'])
  await flow.work({ lanes: withoutBounces })
  await reach(flow, suppressed, 'skipped')
  await reach(flow, failing, 'failed')
  await eventually('all outcomes are told', async () => seen.size === 6)
  expect([...seen].sort()).toEqual([...expected, ...failing.map((id) => [id, 'failed'])].sort())
  ending.abort()
  await reading
  expect(await queue.endOutcomes('app')).toBe(true)
  expect(await queue.endOutcomes('app')).toBe(false)

  const failures = await listed(queue.failures())
  expect(failures.map(({ id }) => id).sort()).toEqual([...failing].sort())
  expect(failures.map(({ at }) => at.getTime())).toEqual(failures.map(({ at }) => at.getTime()).toSorted())
  expect((await queue.failures().groups()).map(({ count }) => count)).toEqual([2])
  expect(await listed(queue.failures({ batch: 'failing' }))).toHaveLength(1)
  expect(await listed(queue.failures({ lane: 'transactional' }))).toHaveLength(1)
  expect(await listed(queue.failures({ lane: 'transactional', batch: 'failing' }))).toEqual([])
  expect(await queue.replay({ code: '550' }, { dryRun: true })).toMatchObject({ dryRun: true, replayed: 2 })
  const progress: number[] = []
  const options = { onProgress: (replayed: number) => void progress.push(replayed) }
  expect(await queue.replay({ id: failing }, options)).toMatchObject({
    ...{ dryRun: false, replayed: 2, left: {}, stopped: false },
    groups: [{ count: 2, code: '550 5.1.1' }],
  })
  expect(progress).toEqual([1, 2])
  await eventually('both were refused once more', async () => sink.replies.get(550) === 4)
  await reach(flow, failing, 'failed')
  expect((await queue.batches()).map(({ id }) => id)).toEqual(['failing', 'suppressed', 'waiting'])
  expect(await queue.forget('reject-x@example.com')).toMatchObject({
    failed: 2,
    errors: 1,
    suppressed: false,
  })
  expect(await listed(queue.failures())).toEqual([])
  await expect(queue.delivery(failing[0])).rejects.toMatchObject({ code: 'delivery_not_found' })
  await queue.batch('suppressed').delete()
  await expect(queue.batch('suppressed').status()).rejects.toMatchObject({ code: 'batch_not_found' })
}

const withoutBounces = Object.fromEntries(
  Object.entries(quickLanes).map(([lane, rule]) => [lane, { ...rule, suppressOnBounce: false }]),
)

/** Nothing is told of what is settled before there is a group. */
const streamsOf = ({ name }: MailFlow) => [name, `${name}~1`].map((each) => `{${each}}:v1:outcomes`)

async function listed<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const each of source) all.push(each)
  return all
}

test('whom a bounce suppresses in one lane nothing is sent to in the other', async () => {
  await using flow = await openShards()
  const { queue } = flow
  await flow.work()
  await (await queue.enqueueBatch([{ to: 'reject-x@example.com' }], content)).wait(again)
  await eventually('it is known', () => queue.suppressions.has('reject-x@example.com'))
  const { deliveries } = await queue.enqueue(mailTo(flow, 'reject-x@example.com'))
  await reach(flow, [deliveries[0]?.id ?? ''], 'skipped')
  await using redis = openRedis(flow)
  const noted = `{${flow.name}~1}:v1:suppressed:bounced`
  await eventually('nothing is left to tell', async () => (await redis.exists(noted)) === 0)
  expect(await queue.suppressions.remove('reject-x@example.com')).toBe(true)
  expect(await redis.hlen(`{${flow.name}~1}:v1:suppressed`)).toBe(0)
}, 30_000)

test('a bounce that a worker took with it is told by the next one', async () => {
  await using flow = await openShards()
  await using redis = openRedis(flow)
  await redis.hset(
    `{${flow.name}~1}:v1:suppressed`,
    'gone@example.com',
    JSON.stringify({ r: 'bounce', s: 1 }),
  )
  await redis.sadd(`{${flow.name}~1}:v1:suppressed:bounced`, 'gone@example.com', 'removed@example.com')
  expect(await flow.queue.suppressions.has('gone@example.com')).toBe(false)
  await flow.work()
  await eventually('it is told', () => flow.queue.suppressions.has('gone@example.com'))
  expect(await flow.queue.suppressions.has('removed@example.com')).toBe(false)
}, 30_000)

test('a key and a batch id that another lane has are refused', async () => {
  await using flow = await openShards()
  const { queue } = flow
  const email = mailTo(flow, 'ada@example.com')
  const first = await queue.enqueue(email, { idempotencyKey: 'k' })
  expect(await queue.enqueue(email, { idempotencyKey: 'k' })).toEqual({ ...first, repeated: true })
  const inBulk = { idempotencyKey: 'k', lane: 'bulk' }
  await expect(queue.enqueue(email, inBulk)).rejects.toMatchObject({ code: 'idempotency_conflict' })
  const rows = rowsTo(2)
  await queue.enqueueBatch(rows, content, { batchId: 'b' })
  await queue.enqueueBatch(rows, content, { batchId: 'b' })
  const elsewhere = queue.enqueueBatch(rows, content, { batchId: 'b', lane: 'transactional' })
  await expect(elsewhere).rejects.toMatchObject({ code: 'batch_conflict' })
  expect((await queue.status()).map(({ accepted }) => accepted)).toEqual([1, 2])
})

test('who has other shards or another order of lanes is refused before anything is stored or taken', async () => {
  await using flow = await openShards()
  await flow.queue.status()
  const others: Partial<MailQueueOptions>[] = [
    { shards: 1 },
    { shards: 3, lanes: ['transactional', 'bulk', 'more'] },
    { lanes: ['bulk', 'transactional'] },
  ]
  for (const options of others) {
    await using queue = new MailQueue({ redis: flow.redisUrl, name: flow.name, shards, ...options })
    const refused = { code: 'invalid_config', message: expect.stringContaining('shards: it is') }
    await expect(queue.enqueue(mailTo(flow, 'a@example.com'))).rejects.toMatchObject(refused)
    await expect(queue.status()).rejects.toMatchObject(refused)
  }
  await expect(flow.work({ shards: 1 })).rejects.toMatchObject({ code: 'invalid_config' })
  const { transactional, bulk } = quickLanes
  const turned = flow.work({ lanes: { ...(bulk && { bulk }), ...(transactional && { transactional }) } })
  await expect(turned).rejects.toMatchObject({ code: 'invalid_config' })
  await using longer = new MailQueue({
    ...{ redis: flow.redisUrl, name: flow.name, shards },
    lanes: ['transactional', 'bulk', 'more'],
  })
  expect(await longer.status()).toHaveLength(3)
  await flow.work()
})

test('lanes that are not empty are not moved from under their mail', async () => {
  await using flow = await openShards()
  await using before = new MailQueue({ redis: flow.redisUrl, name: flow.name })
  await before.enqueueBatch(rowsTo(1), content)
  const message = expect.stringContaining('the lane bulk is kept elsewhere')
  await expect(flow.queue.status()).rejects.toMatchObject({ code: 'invalid_config', message })
  await expect(flow.work()).rejects.toMatchObject({ code: 'invalid_config', message })
})

test('with one shard, which is the default, nothing is kept of it', async () => {
  await using flow = await openMailFlow()
  const batch = await flow.queue.enqueueBatch([{ to: 'reject-x@example.com' }], content)
  await flow.work()
  await batch.wait(again)
  await using redis = openRedis(flow)
  expect(await redis.keys(`*${flow.name}~*`)).toEqual([])
  expect(await redis.exists(`{${flow.name}}:v1:shards`, `{${flow.name}}:v1:suppressed:bounced`)).toBe(0)
})

test('more shards than lanes are refused', () => {
  const redis = inject('redisUrl')
  expect(() => new MailQueue({ redis, shards: 3 })).toThrow('must be no more than there are lanes')
  expect(() => new MailQueue({ redis, shards: 0 })).toThrow('shards')
})

test('who leaves the outcomes in the middle is given again what was not acknowledged, of both lanes', async () => {
  await using flow = await openShards()
  const { queue } = flow
  const read = () => queue.outcomes({ group: 'app', consumer: 'one' })
  await using redis = openRedis(flow)
  const first = read()
  const begun = first.next()
  await eventually('both groups have begun', async () => (await redis.exists(...streamsOf(flow))) === 2)
  const ids = await oneOfEach(flow, 'ada@example.com')
  await flow.work()
  await reach(flow, ids, 'sent')
  expect(ids).toContain((await begun).value?.id)
  await first.return()
  const seen = new Set<string>()
  for await (const outcome of read()) {
    seen.add(outcome.id)
    await outcome.ack()
    if (seen.size === 2) break
  }
  expect([...seen].sort()).toEqual([...ids].sort())
}, 30_000)

test('what waits for a replica does so in each place', async () => {
  await using flow = await openShards(undefined, { durability: 'replicated' })
  const { queue } = flow
  const refused = { code: 'queue_unavailable', message: expect.stringContaining('replica') }
  await expect(queue.enqueue(mailTo(flow, 'a@example.com'))).rejects.toMatchObject(refused)
  await expect(queue.enqueueBatch(rowsTo(1), content)).rejects.toMatchObject(refused)
  await expect(queue.suppressions.add('a@example.com')).rejects.toMatchObject(refused)
}, 30_000)
