import { expect, test } from 'vitest'
import type { BucketStatus, RelayLimitStatus } from '../../src/index.js'
import { isBeyondDay, limitBehind, limitWaits } from '../../src/queue/limit-waits.js'

const now = Date.UTC(2027, 0, 1)
const bucket = (limit: number | undefined, more: Partial<BucketStatus> = {}): BucketStatus => ({
  ratePerSecond: limit === undefined ? {} : { configured: limit, now: limit },
  burst: {},
  sending: 0,
  ...more,
})
const relay = (
  name: string,
  buckets: BucketStatus[],
  more: Partial<RelayLimitStatus> = {},
): RelayLimitStatus => ({
  relay: name,
  selfTuning: true,
  buckets,
  connections: { open: 0, byWorker: {} },
  day: { used: 0 },
  lanes: [],
  ...more,
})
const around = (...limits: RelayLimitStatus[]) => ({ now, relays: [], workers: [], limits })
const waiting = { route: undefined, provider: 'google', ahead: 101, comes: 'its turn comes' } as const

test('a limit that is used up is named with its rate, where it comes from, and the earliest turn', () => {
  const [wait] = limitWaits(around(relay('main', [bucket(10, { sending: 10, tokens: 1 })])), waiting)
  expect(wait).toMatchObject({ kind: 'limit', until: new Date(now + 10_000) })
  expect(wait?.text).toMatch(
    /^the relay main is used as fast as it may be, 10 a second \(as configured\); its turn comes at .* at the earliest$/,
  )
})

test('no end is named that the messages of the day do not suffice for', () => {
  const day = { configured: 150, now: 150, used: 50 }
  const [wait] = limitWaits(around(relay('main', [bucket(10, { sending: 10 })], { day })), waiting)
  expect(wait?.text).toMatch(/; the next may go at .* at the earliest$/)
})

test('a limit that nobody reaches is not named, nor that of another provider', () => {
  expect(limitWaits(around(relay('main', [bucket(10, { sending: 5, tokens: 4 })])), waiting)).toEqual([])
  const yahoo = bucket(1, { provider: 'yahoo', tokens: 0 })
  expect(limitWaits(around(relay('main', [bucket(undefined), yahoo])), waiting)).toEqual([])
  expect(limitWaits(around(relay('main', [bucket(undefined)])), waiting)).toEqual([])
})

test('as long as one relay of the route has room, no limit is named', () => {
  const full = relay('main', [bucket(10, { sending: 10 })])
  expect(limitWaits(around(full, relay('spare', [bucket(10)])), waiting)).toEqual([])
  expect(limitWaits(around(full, relay('spare', [bucket(10, { tokens: 0 })])), waiting)).toHaveLength(2)
})

test('of a provider that was slowed down it is said since when and what the relay said', () => {
  const tuned = { since: new Date(now), tooManyPerSecond: 20, reply: '421 4.7.28 slow down' }
  const google = bucket(10, { provider: 'google', tokens: 0.5, sending: 10, tuned })
  const [wait] = limitWaits(around(relay('main', [bucket(undefined), google])), { ...waiting, ahead: 1 })
  expect(wait?.text).toMatch(
    /^mail to google goes through the relay main as fast as it may, 10 a second \(slowed/,
  )
  expect(wait?.text).toContain('because it asked for less: 421 4.7.28 slow down)')
  expect(wait?.until).toEqual(new Date(now + 50))
})

test('a day that is used up goes before every rate, with the time when more may go', () => {
  const freesAt = new Date(now + 3_600_000)
  const day = { configured: 500, set: 400, now: 400, used: 400, freesAt }
  const [wait, ...more] = limitWaits(around(relay('main', [bucket(1, { tokens: 0 })], { day })), waiting)
  expect(more).toEqual([])
  expect(wait?.until).toEqual(freesAt)
  expect(wait?.text).toMatch(
    /messages of a day, 400 \(set by `fluxmail limits`\); the oldest of them are over at/,
  )
})

test('words that a worker left are given the figures of their limit, and others nothing', () => {
  const limits = [relay('main', [bucket(5), bucket(2.5, { provider: 'google' })])]
  expect(limitBehind('the relay main is used as fast as it may be', limits)).toBe(
    ', 5 a second (as configured)',
  )
  expect(limitBehind('mail to google goes through the relay main as fast as it may', limits)).toMatch(
    /^, 2\.5 a/,
  )
  expect(limitBehind('mail to apple goes through the relay main as fast as it may', limits)).toBe('')
  expect(limitBehind('the relay other is used as fast as it may be', limits)).toBe('')
})

test('what a day may not have is beyond it, unless as many become free as are sent', () => {
  const withDay = (now: number | undefined, used: number) =>
    relay('main', [bucket(50)], { day: now === undefined ? { used } : { configured: now, now, used } })
  const isBeyond = (limits: RelayLimitStatus[], count: number, perSecond: number) =>
    isBeyondDay({ workers: [], limits }, undefined, { count, perSecond })
  expect(isBeyond([withDay(700, 700)], 1, 0.001)).toBe(true)
  expect(isBeyond([withDay(700, 100)], 601, 5)).toBe(true)
  expect(isBeyond([withDay(700, 100)], 600, 5)).toBe(false)
  expect(isBeyond([withDay(86_400, 80_000)], 9_000, 1)).toBe(false)
  expect(isBeyond([withDay(undefined, 9_000)], 1_000, 5)).toBe(false)
  expect(isBeyond([withDay(700, 700), withDay(700, 0)], 600, 5)).toBe(false)
  expect(isBeyond([withDay(700, 700), withDay(undefined, 0)], 600, 5)).toBe(false)
  expect(isBeyond([], 600, 5)).toBe(false)
})
