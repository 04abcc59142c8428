import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { createLedger, type Entry, type Ledger, type Verdict } from '../../src/store/ledger.js'
import { freshName } from '../helpers/fresh-name.js'

let redis: Redis
let keys: Keys
let ledger: Ledger

const single: Entry = { id: 'e1.1', lane: 'transactional', contentHash: 'c' }
const row: Entry = { id: 'b.7', lane: 'bulk', contentHash: 'c', batch: { id: 'b', ordinal: 7 } }

beforeEach(async () => {
  redis = createRedis(inject('redisUrl'), 'worker')
  keys = keysOf(freshName())
  ledger = createLedger(redis, keys)
  for (const { lane, id } of [single, row]) await redis.hset(jobKey(lane, id), 'timestamp', 1)
})
afterEach(() => redis.disconnect())

const jobKey = (lane: string, id: string) => `${keys.bullPrefix}:${lane}:${id}`
const sent = { outcome: 'sent', recipient: 'a@example.com' } as const
const failed = {
  outcome: 'failed',
  code: '550 5.1.1',
  message: 'no such user',
  recipient: 'a@example.com',
} as const
const unknown = { outcome: 'unknown', code: 'unknown', message: 'no answer' } as const
const by = (verdict: Verdict, token: string): Verdict => ({ ...verdict, token })
const lifeMs = 60_000
const counts = (lane: string) => redis.hgetall(keys.laneCounts(lane))

async function lock(entry: Entry, token: string): Promise<void> {
  await redis.set(`${jobKey(entry.lane, entry.id)}:lock`, token)
}

/** An attempt that owns the job and has its mark. */
async function onTheWire(entry: Entry, token: string, takeOver = false): Promise<void> {
  await lock(entry, token)
  expect(await ledger.mark(entry, token, { takeOver, lifeMs })).toBe('ok')
}

test('a delivery that nobody has touched is free', async () => {
  expect(await ledger.claim(single)).toEqual({ kind: 'free' })
})

test('only the owner of the job may mark', async () => {
  const mark = () => ledger.mark(single, 'token', { takeOver: false, lifeMs })
  expect(await mark()).toBe('superseded')
  await lock(single, 'other')
  expect(await mark()).toBe('superseded')
  await lock(single, 'token')
  expect(await mark()).toBe('ok')
})

test('a mark without a verdict is seen by whoever claims next, with how long its attempt may still live', async () => {
  await onTheWire(single, 'token')
  const standing = await ledger.claim(single)
  expect(standing.kind === 'marked' && standing.aliveMs).toBeGreaterThan(lifeMs - 5_000)
  expect(standing.kind === 'marked' && standing.aliveMs).toBeLessThanOrEqual(lifeMs)
})

test('another attempt takes a mark over only when it says so', async () => {
  await onTheWire(single, 'first')
  await lock(single, 'second')
  expect(await ledger.mark(single, 'second', { takeOver: false, lifeMs })).toBe('marked')
  expect(await ledger.mark(single, 'second', { takeOver: true, lifeMs })).toBe('ok')
})

test('the same attempt may mark again, for its second connection', async () => {
  await onTheWire(single, 'token')
  await onTheWire(single, 'token')
  await ledger.record(single, by(sent, 'token'))
  expect(await counts('transactional')).toEqual({ sent: '1' })
})

test('a released mark leaves the delivery free; another attempt cannot release it', async () => {
  await onTheWire(single, 'token')
  await ledger.release(single, 'other')
  await ledger.release(single, 'toke')
  expect((await ledger.claim(single)).kind).toBe('marked')
  await ledger.release(single, 'token')
  expect(await ledger.claim(single)).toEqual({ kind: 'free' })
  expect(await redis.exists(keys.mark(single.id))).toBe(0)
})

test('a verdict is counted once, however often it is recorded', async () => {
  const first = await ledger.record(single, sent)
  expect(first).toEqual({ kind: 'counted', outcome: 'sent', late: false, resent: 0 })
  for (let time = 0; time < 2; time += 1) expect((await ledger.record(single, sent)).kind).toBe('settled')
  await ledger.record(single, failed)
  expect(await counts('transactional')).toEqual({ sent: '1' })
  expect(await ledger.claim(single)).toMatchObject({
    kind: 'settled',
    verdict: expect.stringMatching(/^sent /),
  })
})

test('after a verdict nothing is marked, whoever owns the job', async () => {
  await ledger.record(single, sent)
  await lock(single, 'token')
  expect(await ledger.mark(single, 'token', { takeOver: true, lifeMs })).toBe('settled')
})

test('a row stays settled after its verdict was forgotten, by its bit', async () => {
  await ledger.record(row, failed)
  await ledger.forget([row.id])
  expect(await ledger.claim(row)).toEqual({ kind: 'settled', verdict: 'settled' })
  await lock(row, 'token')
  expect(await ledger.mark(row, 'token', { takeOver: false, lifeMs })).toBe('settled')
  expect((await ledger.record(row, sent)).kind).toBe('settled')
  expect(await redis.hgetall(keys.batch('b'))).toEqual({ failed: '1' })
  expect(await ledger.claim({ ...row, batch: { id: 'b', ordinal: 8 }, id: 'b.8' })).toEqual({ kind: 'free' })
})

test('a verdict that is left of a deleted batch says nothing of a new batch of the same id', async () => {
  await ledger.record(row, sent)
  await redis.unlink(keys.batch('b'), keys.batchSettled('b'))
  expect(await ledger.claim(row)).toMatchObject({ kind: 'settled' })
  await redis.hset(keys.batch('b'), 'lane', 'bulk')
  expect(await ledger.claim(row)).toEqual({ kind: 'free' })
  await onTheWire(row, 'token')
  expect(await ledger.record(row, by(sent, 'token'))).toMatchObject({ kind: 'counted', outcome: 'sent' })
  expect(await redis.hgetall(keys.batch('b'))).toMatchObject({ sent: '1' })
  await ledger.forget([row.id])
  await ledger.record({ ...row, batch: { id: 'b', ordinal: 7 } }, sent)
  expect(await redis.hget(keys.batch('b'), 'sent')).toBe('1')
})

test('the answer that comes late to a deleted batch is counted in the lane, and nothing of the batch comes back', async () => {
  await ledger.record(row, by(unknown, 'token'))
  await redis.unlink(keys.batch('b'), keys.batchSettled('b'), keys.batchFailures('b'))
  await redis.unlink(keys.batchErrors('b'), keys.batchFailed('b'), keys.batchRate('b'))
  expect(await ledger.record(row, by(failed, 'token'))).toMatchObject({ kind: 'counted', late: true })
  expect(await counts('bulk')).toMatchObject({ unknown: '0', failed: '1' })
  expect(await redis.keys(`${keys.batch('b')}*`)).toEqual([])
})

test.each([
  ['is finished', () => redis.hset(jobKey(single.lane, single.id), 'finishedOn', 2)],
  ['is gone', () => redis.del(jobKey(single.lane, single.id))],
])(
  'an email whose verdict was forgotten stays settled for a late attempt when its job %s',
  async (_what, end) => {
    await ledger.record(single, sent)
    await end()
    await ledger.forget([single.id])
    expect((await ledger.record(single, by(sent, 'late'))).kind).toBe('settled')
    expect(await counts('transactional')).toEqual({ sent: '1' })
  },
)

test('the failures of a batch are counted by reason and kept word for word', async () => {
  await ledger.record(row, failed)
  expect(await redis.hgetall(keys.batchFailures('b'))).toEqual({ '550 5.1.1': '1' })
  const [error = ''] = await redis.lrange(keys.batchErrors('b'), 0, -1)
  const { message, ...facts } = failed
  expect(JSON.parse(error)).toEqual({ id: 'b.7', ordinal: 7, message, ...facts })
})

test('a cancellation spares what is on the wire', async () => {
  await onTheWire(single, 'token')
  expect((await ledger.record(single, { outcome: 'skipped' }, { spareMarked: true })).kind).toBe('marked')
  expect(await redis.exists(keys.laneCounts('transactional'))).toBe(0)
})

test('an answer that comes late turns an unknown into sent, once, in the counts of lane and batch', async () => {
  await onTheWire(row, 'stopped')
  await ledger.record(row, unknown)
  expect(await redis.hgetall(keys.batchFailures('b'))).toEqual({ unknown: '1' })
  for (const late of [true, false]) {
    const recorded = await ledger.record(row, by(sent, 'stopped'))
    expect(recorded.kind === 'counted' && recorded.late).toBe(late)
  }
  expect(await counts('bulk')).toEqual({ sent: '1', unknown: '0' })
  expect(await redis.hgetall(keys.batch('b'))).toEqual({ sent: '1', unknown: '0' })
  const { first: _, ...ended } = await redis.hgetall(keys.batchRate('b'))
  expect(Object.values(ended)).toEqual(['1'])
  expect(await redis.hgetall(keys.batchFailures('b'))).toEqual({})
  expect(await redis.lrange(keys.batchErrors('b'), 0, -1)).toEqual([])
})

test('a refusal that comes late turns an unknown into failed, if no other attempt may have been accepted', async () => {
  await onTheWire(row, 'stopped')
  await ledger.record(row, unknown)
  expect(await ledger.record(row, by(failed, 'stopped'))).toMatchObject({ outcome: 'failed', late: true })
  expect(await redis.hgetall(keys.batch('b'))).toEqual({ failed: '1', unknown: '0' })
  expect(await redis.hgetall(keys.batchFailures('b'))).toEqual({ '550 5.1.1': '1' })
  expect(await redis.llen(keys.batchErrors('b'))).toBe(1)
})

test.each([sent, failed, unknown])(
  'a verdict stands until its job is finished, also where no worker runs for months',
  async (verdict) => {
    await ledger.record(single, verdict)
    expect(await redis.ttl(keys.mark(single.id))).toBeGreaterThan(365 * 24 * 3600)
  },
)

test('a verdict that is to be forgotten later answers until then, and a late answer makes it live no longer', async () => {
  await onTheWire(single, 'stopped')
  await ledger.record(single, unknown)
  await ledger.forget([single.id], 600)
  expect(await ledger.record(single, by(sent, 'stopped'))).toMatchObject({ outcome: 'sent', late: true })
  expect(await redis.ttl(keys.mark(single.id))).toBeLessThanOrEqual(600)
  expect(await redis.ttl(keys.mark(single.id))).toBeGreaterThan(590)
})

test.each([
  ['refused', failed],
  ['cancelled', { outcome: 'skipped', code: 'cancelled', message: 'it was cancelled' } as const],
])('an unknown that is sent again and then %s stays unknown', async (_what, verdict) => {
  await onTheWire(row, 'first')
  await ledger.release(row, 'first', true)
  expect(await ledger.claim(row)).toEqual({ kind: 'doubtful' })
  expect(await ledger.record(row, by(verdict, 'second'))).toMatchObject({ outcome: 'unknown', resent: 0 })
  expect(await redis.hgetall(keys.batch('b'))).toEqual({ unknown: '1' })
  const [error = ''] = await redis.lrange(keys.batchErrors('b'), 0, -1)
  expect(JSON.parse(error)).toMatchObject({
    code: 'unknown',
    outcome: 'unknown',
    message: expect.stringContaining(verdict.message),
  })
})

test('the same when the worker of the first attempt was lost and another took its mark over', async () => {
  await onTheWire(single, 'lost')
  await onTheWire(single, 'second', true)
  expect(await ledger.record(single, by(failed, 'second'))).toMatchObject({ outcome: 'unknown' })
  expect(await counts('transactional')).toEqual({ unknown: '1' })
  expect(await ledger.record(single, by(sent, 'lost'))).toMatchObject({
    outcome: 'sent',
    late: true,
    resent: 0,
  })
  expect(await counts('transactional')).toEqual({ unknown: '0', sent: '1' })
})

test('a doubt that is answered is none any more', async () => {
  await onTheWire(single, 'slow')
  await onTheWire(single, 'second', true)
  await ledger.release(single, 'slow')
  expect(await ledger.record(single, by(failed, 'second'))).toMatchObject({ outcome: 'failed' })
})

test('a refusal of an attempt that was taken over settles nothing: the one on the wire will', async () => {
  await onTheWire(single, 'slow')
  await onTheWire(single, 'second', true)
  expect(await ledger.record(single, by(failed, 'slow'))).toEqual({ kind: 'marked' })
  expect(await ledger.record(single, by(unknown, 'slow'))).toEqual({ kind: 'marked' })
  expect(await counts('transactional')).toEqual({})
  await ledger.release(single, 'second')
  expect(await ledger.claim(single)).toEqual({ kind: 'free' })
})

test('a refusal of who owns the job and has no mark yet is counted, beside the mark of one that was lost', async () => {
  await onTheWire(single, 'lost')
  await lock(single, 'second')
  expect(await ledger.record(single, by(failed, 'second'))).toMatchObject({ outcome: 'unknown' })
  expect(await counts('transactional')).toEqual({ unknown: '1' })
})

test('every copy that goes out beside one that may have been accepted is counted once', async () => {
  await onTheWire(single, 'first')
  await ledger.release(single, 'first', true)
  await onTheWire(single, 'second')
  await onTheWire(single, 'third', true)
  expect(await ledger.record(single, by(sent, 'third'))).toMatchObject({ outcome: 'sent', resent: 2 })
  // Late answers of attempts that were counted as copies already.
  for (const token of ['first', 'second', 'third']) await ledger.record(single, by(sent, token))
  expect(await counts('transactional')).toEqual({ sent: '1', resent: '2' })
})

test('copies of a delivery that ends as unknown are counted too', async () => {
  await onTheWire(single, 'first')
  await ledger.release(single, 'first', true)
  await onTheWire(single, 'second')
  expect(await ledger.record(single, by(unknown, 'second'))).toMatchObject({ outcome: 'unknown', resent: 1 })
  expect(await ledger.record(single, by(sent, 'first'))).toMatchObject({ late: true, resent: 0 })
  expect(await counts('transactional')).toEqual({ unknown: '0', sent: '1', resent: '1' })
})

test('a copy that an attempt without a mark had accepted is counted when it comes to light', async () => {
  await onTheWire(single, 'second')
  await ledger.record(single, by(sent, 'second'))
  await ledger.record(single, by(sent, 'first'))
  expect(await counts('transactional')).toEqual({ sent: '1', resent: '1' })
})

test('a delivery that was sent keeps no memory but its counts once it is forgotten', async () => {
  await onTheWire(single, 'token')
  await ledger.record(single, by(sent, 'token'))
  await ledger.forget([single.id])
  await redis.del(
    jobKey(single.lane, single.id),
    `${jobKey(single.lane, single.id)}:lock`,
    jobKey(row.lane, row.id),
  )
  expect(await redis.keys(`${keys.bullPrefix}*`)).toEqual([keys.laneCounts('transactional')])
})

test('a verdict is forgotten with a job that has ended or is gone, and not with one that runs again after a failover', async () => {
  const ids = ['e1.1', 'e1.2', 'e1.3']
  for (const id of ids) {
    await redis.hset(jobKey(single.lane, id), 'timestamp', 1)
    await ledger.record({ ...single, id }, by(sent, 'token'))
  }
  await redis.hset(jobKey(single.lane, 'e1.2'), 'finishedOn', 2)
  await redis.del(jobKey(single.lane, 'e1.3'))
  await ledger.forgetFinished(single.lane, ids)
  const standing = await Promise.all(ids.map((id) => redis.exists(keys.mark(id))))
  expect(standing).toEqual([1, 0, 0])
})
