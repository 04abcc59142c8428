import fc from 'fast-check'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { createLedger, type Entry, type Ledger, type Verdict } from '../../src/store/ledger.js'
import { freshName } from '../helpers/fresh-name.js'
import { openOwnRedis } from '../helpers/own-redis.js'

interface Books {
  readonly keys: Keys
  readonly ledger: Ledger
}

let redis: Redis
let books: Books
const lifeMs = 60_000

beforeEach(() => {
  redis = createRedis(inject('redisUrl'), 'ledger')
  books = openBooks()
})
afterEach(() => redis.disconnect())

function openBooks(on = redis): Books {
  const keys = keysOf(freshName())
  return { keys, ledger: createLedger(on, keys) }
}

const rowOf = (batch: string, ordinal: number): Entry => ({
  ...{ id: `${batch}.${ordinal}`, lane: 'bulk', contentHash: 'c' },
  batch: { id: batch, ordinal },
})
const rows = (count: number, batch = 'b') =>
  Array.from({ length: count }, (_, ordinal) => rowOf(batch, ordinal))
const sent: Verdict = { outcome: 'sent', recipient: 'a@example.com', reply: { code: 250, text: 'OK' } }
const jobOf = ({ bullPrefix }: Keys, { lane, id }: Entry) => `${bullPrefix}:${lane}:${id}`
/** How many scripts this connection has called; what others do on the same Redis is none of it. */
const scriptsCalled = () => {
  const { mock } = vi.spyOn(redis, 'sendCommand')
  return () => mock.calls.filter(([{ name }]) => name === 'evalsha').length
}

test('what many deliveries ask in one turn is one call, and each has its answer', async () => {
  const { keys, ledger } = books
  const [first, second, third, ...others] = rows(60)
  if (!(first && second && third)) throw new Error('there are sixty')
  await ledger.claim(first)
  await redis.set(`${jobOf(keys, second)}:lock`, 'token')
  const called = scriptsCalled()
  const asked = Promise.all([
    ledger.record(first, sent),
    ledger.mark(second, 'token', { takeOver: false, lifeMs }),
    ledger.mark(third, 'token', { takeOver: false, lifeMs }),
    ledger.claim(first),
    ...others.map((each) => ledger.claim(each)),
  ])
  const [recorded, marked, superseded, settled, ...free] = await asked
  expect(called()).toBe(1)
  expect(recorded).toMatchObject({ kind: 'counted', outcome: 'sent' })
  expect([marked, superseded]).toEqual(['ok', 'superseded'])
  expect(settled).toMatchObject({ kind: 'settled' })
  expect(free).toEqual(others.map(() => ({ kind: 'free' })))
})

test('thousands that end in one turn are counted exactly, in their lane, batch and its rate, and end it', async () => {
  const { keys, ledger } = books
  await redis.hset(keys.batch('b'), 'rows', 1, 'total', 1500)
  const ended = rows(1500).flatMap((each) => [ledger.record(each, sent), ledger.record(each, sent)])
  const counted = (await Promise.all(ended)).filter(({ kind }) => kind === 'counted')
  expect(counted).toHaveLength(1500)
  expect(await redis.hgetall(keys.laneCounts('bulk'))).toEqual({ sent: '1500' })
  expect(await redis.hgetall(keys.batch('b'))).toMatchObject({
    sent: '1500',
    finishedAt: expect.stringMatching(/^\d+$/),
  })
  const { first, ...buckets } = await redis.hgetall(keys.batchRate('b'))
  expect(first).toMatch(/^\d+$/)
  expect(Object.values(buckets).reduce((sum, each) => sum + Number(each), 0)).toBe(1500)
})

test('the error of one delivery is its own: the others of its turn have their answers', async () => {
  const { keys, ledger } = books
  await redis.hset(keys.mark('b.1'), 'not', 'a mark')
  const [before, broken, after] = await Promise.allSettled(rows(3).map((each) => ledger.record(each, sent)))
  expect(before).toMatchObject({ status: 'fulfilled', value: { kind: 'counted' } })
  expect(broken).toMatchObject({ status: 'rejected', reason: { name: 'ReplyError' } })
  expect(broken?.status === 'rejected' && String(broken.reason)).toMatch(/WRONGTYPE/)
  expect(after).toMatchObject({ status: 'fulfilled', value: { kind: 'counted' } })
  expect(await redis.hget(keys.batch('b'), 'sent')).toBe('2')
})

test('counts that cannot be written are the error of those whom they count, and of no others', async () => {
  const { keys, ledger } = books
  await redis.set(keys.batch('broken'), 'no hash')
  const ended = [rowOf('broken', 0), rowOf('b', 0), rowOf('broken', 1), rowOf('b', 1)]
  const settled = await Promise.allSettled(ended.map((each) => ledger.record(each, sent)))
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
  expect(await redis.hget(keys.batch('b'), 'sent')).toBe('2')
})

test('a Redis that has forgotten the script is sent it again, and nobody notices', async () => {
  // Of its own: others would lose their scripts with it.
  await using server = await openOwnRedis()
  const own = createRedis(server.url, 'ledger')
  try {
    const { keys, ledger } = openBooks(own)
    const [first, ...others] = rows(20)
    if (first) await ledger.record(first, sent)
    await own.script('FLUSH')
    const recorded = await Promise.all(others.map((each) => ledger.record(each, sent)))
    expect(recorded.every(({ kind }) => kind === 'counted')).toBe(true)
    expect(await own.hget(keys.batch('b'), 'sent')).toBe('20')
  } finally {
    own.disconnect()
  }
})

test('what is asked in the turn in which its connection is closed is written before', async () => {
  const own = createRedis(inject('redisUrl'), 'ledger')
  const { keys, ledger } = openBooks(own)
  await own.ping()
  const asked = rows(3).map((each) => ledger.record(each, sent))
  const [recorded] = await Promise.all([Promise.all(asked), own.quit()])
  expect(recorded.map(({ kind }) => kind)).toEqual(['counted', 'counted', 'counted'])
  expect(await redis.hget(keys.batch('b'), 'sent')).toBe('3')
})

test('whoever asks a connection that is closed is told, all of a turn', async () => {
  const own = createRedis(inject('redisUrl'), 'ledger')
  const { ledger } = openBooks(own)
  await own.quit()
  const asked = await Promise.allSettled(rows(3).map((each) => ledger.claim(each)))
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
})

const tokens = fc.constantFrom('one', 'two', 'three')
const entries = fc.constantFrom(rowOf('b', 0), rowOf('b', 1), rowOf('gone', 0), {
  ...{ id: 'e1.1', lane: 'transactional', contentHash: 'c' },
} as Entry)
const failures = { code: '550 5.1.1', message: 'no such user', recipient: 'A@example.com' }
const verdicts = fc.constantFrom<Verdict>(
  sent,
  { ...sent, code: 'x' },
  { outcome: 'failed', ...failures },
  { outcome: 'failed', ...failures, suppress: true },
  { outcome: 'skipped', code: 'cancelled', message: 'it was cancelled' },
  { outcome: 'unknown', code: 'unknown', message: 'no answer \ud800' },
)
type Step = (ledger: Ledger) => Promise<unknown>
const steps = fc.oneof<fc.Arbitrary<Step>[]>(
  entries.map((entry) => (ledger) => ledger.claim(entry, 'a@example.com')),
  fc.tuple(entries, tokens, fc.boolean()).map(
    ([entry, token, takeOver]) =>
      (ledger) =>
        ledger.mark(entry, token, { takeOver, lifeMs }),
  ),
  fc.tuple(entries, tokens, fc.boolean()).map(
    ([entry, token, doubt]) =>
      (ledger) =>
        ledger.release(entry, token, doubt),
  ),
  fc.tuple(entries, verdicts, fc.option(tokens), fc.boolean()).map(
    ([entry, verdict, token, spareMarked]) =>
      (ledger) =>
        ledger.record(entry, { ...verdict, ...(token === null ? {} : { token }) }, { spareMarked }),
  ),
)

async function stage({ keys }: Books, stop: string): Promise<void> {
  const single: Entry = { id: 'e1.1', lane: 'transactional', contentHash: 'c' }
  await redis
    .multi()
    .hset(keys.batch('b'), 'rows', 1, 'total', 2, ...(stop === '' ? [] : [stop, '{"by":"me"}']))
    .hset(keys.content('c'), 'json', '{}', 'held', 2, 'by:e1.1', 1, 'by:other', 1)
    .set(keys.outcomesKept, 60)
    .hset(jobOf(keys, single), 'timestamp', 1)
    .set(`${jobOf(keys, single)}:lock`, 'one')
    .set(`${jobOf(keys, rowOf('b', 0))}:lock`, 'one')
    .set(`${jobOf(keys, rowOf('b', 1))}:lock`, 'two')
    .set(`${jobOf(keys, rowOf('gone', 0))}:lock`, 'one')
    .exec()
}

/** All that is stored, with the instants in it made equal. */
async function stored({ keys }: Books): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const key of (await redis.keys(`${keys.bullPrefix}*`)).toSorted())
    found[key.slice(keys.bullPrefix.length)] = await contentsOf(key)
  return JSON.parse(
    JSON.stringify(found)
      .replaceAll(/\b1\d{12}(-\d+)?\b/g, 'then')
      .replaceAll(/"\d{9}"/g, '"bucket"'),
  )
}

async function contentsOf(key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'string') return (await redis.getBuffer(key))?.toString('latin1')
  if (type === 'hash') return Object.entries(await redis.hgetall(key)).toSorted()
  if (type === 'list') return redis.lrange(key, 0, -1)
  if (type === 'set') return (await redis.smembers(key)).toSorted()
  return type === 'stream' ? redis.xrange(key, '-', '+') : (await redis.zrange(key, '0', '-1')).toSorted()
}

test('what is asked in one turn ends as if each had been asked after the answer of the one before', async () => {
  const runs = fc.tuple(
    fc.constantFrom('', 'paused', 'cancelled'),
    fc.array(steps, { minLength: 2, maxLength: 14 }),
  )
  await fc.assert(
    fc.asyncProperty(runs, async ([stop, asked]) => {
      const [apart, together] = [openBooks(), openBooks()]
      await Promise.all([stage(apart, stop), stage(together, stop)])
      const answers: unknown[] = []
      for (const step of asked) answers.push(withoutTime(await step(apart.ledger)))
      const atOnce = await Promise.all(asked.map((step) => step(together.ledger)))
      expect(atOnce.map(withoutTime)).toEqual(answers)
      expect(await stored(together)).toEqual(await stored(apart))
    }),
    { numRuns: 150 },
  )
})

function withoutTime(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null && 'aliveMs' in answer ? 'marked' : answer
}
