import { expect, test } from 'vitest'
import { MailQueue } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { type OwnRedis, openOwnRedis } from '../helpers/own-redis.js'
import { openSlowProxy } from '../helpers/slow-proxy.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
type Durability = 'primary' | 'replicated'

interface Pair extends AsyncDisposable {
  readonly primary: OwnRedis
  readonly replica: OwnRedis
  /** Nothing reaches the replica any more; resolves when the primary has taken more than it. */
  cutLink(): Promise<void>
  /** Kills the primary and makes the replica one. */
  failOver(): Promise<void>
}

/** A primary and a replica that is some milliseconds behind, as one in another building is. */
async function openPair(lagMs = 100): Promise<Pair> {
  const primary = await openOwnRedis()
  const replica = await openOwnRedis()
  const wire = await openSlowProxy(primary.port, lagMs)
  await replica.ask((client) => client.replicaof('127.0.0.1', wire.port))
  await eventually('the replica follows', () =>
    replica.ask(async (client) => (await client.info('replication')).includes('master_link_status:up')),
  )
  return {
    primary,
    replica,
    async cutLink() {
      wire.swallow()
      const taken = () =>
        primary.ask(async (client) =>
          Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]),
        )
      const before = await taken()
      await eventually('the primary takes more', async () => (await taken()) > before + 60)
    },
    async failOver() {
      await primary.kill()
      await replica.ask((client) => client.replicaof('NO', 'ONE'))
    },
    async [Symbol.asyncDispose]() {
      for (const part of [wire, replica, primary]) await part[Symbol.asyncDispose]()
    },
  }
}

/** Enqueues from many callers at once until the primary is killed under them; says what of it a failover lost. */
async function lostWithPrimary(durability: Durability): Promise<{ acknowledged: number; lost: number }> {
  await using pair = await openPair()
  await using flow = await openMailFlow({}, pair.primary.url)
  await using queue = new MailQueue({ redis: pair.primary.url, name: flow.name, durability })
  const acknowledged: string[] = []
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const caller = async () => {
    for (;;) {
      const receipt = await queue.enqueue(email).catch(() => undefined)
      if (receipt === undefined) return
      acknowledged.push(...receipt.deliveries.map(({ id }) => id))
    }
  }
  const callers = Array.from({ length: 20 }, caller)
  await eventually('many are acknowledged', () => acknowledged.length > 300)
  await pair.cutLink()
  await pair.failOver()
  await Promise.all(callers)
  const found = await pair.replica.ask((client) =>
    Promise.all(acknowledged.map((id) => client.exists(`{${flow.name}}:transactional:${id}`))),
  )
  return { acknowledged: acknowledged.length, lost: found.filter((one) => one === 0).length }
}

/** Drains a batch, fails over in the middle, and drains the rest from the replica. */
async function drainedAcross(
  durability: Durability,
): Promise<{ twice: number; unknown: number; sent: number }> {
  await using pair = await openPair()
  await using flow = await openMailFlow({ latencyMs: 5 }, pair.primary.url)
  await flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'b' })
  await eventually('the replica has the batch', () =>
    pair.replica.ask(async (client) => (await client.hget(`{${flow.name}}:v1:batch:b`, 'rows')) === '600'),
  )
  const old = await flow.work({ durability, lockMs: 1_000, logLevel: 'silent' })
  await flow.sink.waitForMessages(150)
  await pair.failOver()
  await old.close({ deadlineMs: 500 })
  await flow.work({ redis: pair.replica.url, lockMs: 1_000, logLevel: 'silent' })
  await using queue = new MailQueue({ redis: pair.replica.url, name: flow.name })
  const { sent, unknown, pending } = await queue.batch('b').wait({ intervalMs: 50 })
  expect(pending).toBe(0)
  expect(flow.sink.copies().size).toBeGreaterThanOrEqual(sent)
  return { twice: [...flow.sink.copies().values()].filter((copies) => copies > 1).length, unknown, sent }
}

test('what is acknowledged with a replica survives the failover to it; without, its lag is lost', async () => {
  const without = await lostWithPrimary('primary')
  const replicated = await lostWithPrimary('replicated')
  expect(without.lost).toBeGreaterThan(0)
  expect(replicated.lost).toBe(0)
  expect(replicated.acknowledged).toBeGreaterThan(300)
}, 120_000)

test('what was marked with a replica is not sent again after the failover to it; without, its lag is', async () => {
  const without = await drainedAcross('primary')
  const replicated = await drainedAcross('replicated')
  expect(without.twice).toBeGreaterThan(0)
  expect(replicated.twice).toBe(0)
  expect(replicated.sent + replicated.unknown).toBe(600)
}, 120_000)

async function withoutReplica(): Promise<MailFlow & { own: OwnRedis }> {
  const own = await openOwnRedis()
  const flow = await openMailFlow({}, own.url)
  const close = async () => {
    await flow[Symbol.asyncDispose]()
    await own[Symbol.asyncDispose]()
  }
  return { ...flow, own, [Symbol.asyncDispose]: close }
}

test('without a replica nothing is acknowledged, and the same call again enqueues nothing twice', async () => {
  await using flow = await withoutReplica()
  await using queue = new MailQueue({ redis: flow.redisUrl, name: flow.name, durability: 'replicated' })
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const unconfirmed = { code: 'queue_unavailable', message: expect.stringContaining('no replica of Redis') }
  const enqueue = () => queue.enqueue(email, { idempotencyKey: 'k' })
  const enqueueBatch = () => queue.enqueueBatch(rowsTo(3), content, { batchId: 'b' })
  await expect(enqueue()).rejects.toMatchObject(unconfirmed)
  await expect(enqueueBatch()).rejects.toMatchObject(unconfirmed)
  await expect(enqueue()).rejects.toMatchObject(unconfirmed)
  await using replica = await openOwnRedis()
  await replica.ask((client) => client.replicaof('127.0.0.1', flow.own.port))
  expect(await eventually('a replica has it', enqueue)).toMatchObject({ repeated: true })
  expect((await enqueueBatch()).id).toBe('b')
  expect((await flow.queue.status()).map(({ accepted }) => accepted)).toEqual([1, 3])
}, 120_000)

test('without a replica a worker sends nothing, and with one it goes on by itself', async () => {
  await using flow = await withoutReplica()
  const batch = await flow.queue.enqueueBatch(rowsTo(20), content, { batchId: 'b' })
  const said: string[] = []
  const error = (fields: { error?: string }) => void said.push(fields.error ?? '')
  await flow.work({ durability: 'replicated', logger: { debug() {}, info() {}, warn() {}, error } })
  await eventually('it is held', async () => (await flow.queue.delivery('b.0')).state === 'held')
  expect(flow.sink.messages).toHaveLength(0)
  await eventually('it says why', () => said.some((text) => text.startsWith('no replica of Redis')))
  await using replica = await openOwnRedis()
  await replica.ask((client) => client.replicaof('127.0.0.1', flow.own.port))
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 20, unknown: 0, pending: 0 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
}, 120_000)
