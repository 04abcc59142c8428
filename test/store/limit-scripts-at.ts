// The scripts of the limits on a real Redis, at instants that a test chooses in place of Redis' own time.

import { randomUUID } from 'node:crypto'
import type { Redis } from '../../src/redis.js'
import type { Granted, LimitAsk } from '../../src/store/limit-asks.js'
import { BEAT } from '../../src/store/limit-beat.js'
import { nowLua, TAKE } from '../../src/store/limit-scripts.js'

export type Ask = Partial<LimitAsk>

export interface ScriptsAt {
  /** One worker asks for permits at `now`. */
  take(
    now: number,
    worker: string,
    ask: Ask,
  ): Promise<{ at: number; grants: number[]; waitMs: number[]; short: string[] }>
  /** What a worker may have of the fleet's connections at `now`; undefined while Redis gives it any. */
  connections(
    now: number,
    worker: string,
    said: { have: number; want: number; idle?: number; known: number; limit: number } | { leaving: true },
  ): Promise<number>
}

const nothing: LimitAsk = { buckets: [], shares: {}, perDay: -1, wants: [], returns: [] }

/** Each has keys of its own, that go when the connection's Redis does or after an hour. */
export async function openScriptsAt(redis: Redis, name: string): Promise<ScriptsAt> {
  const atGivenTime = (lua: string, argument: number) =>
    redis.script('LOAD', lua.replace(nowLua, `local now = tonumber(ARGV[${argument}])`)) as Promise<string>
  const [take, beat] = await Promise.all([atGivenTime(TAKE, 4), atGivenTime(BEAT, 5)])
  const key = `{${name}}:${randomUUID()}`
  const keys = ['limits', 'buckets', 'quota', 'connections', 'spent'].map((kind) => `${key}:${kind}`)
  const [limits = '', buckets = '', quota = '', connections = '', spent = ''] = keys
  return {
    async take(now, worker, ask) {
      const json = JSON.stringify({ ...nothing, ...ask })
      const answer = await redis.evalsha(take, 3, limits, buckets, quota, '0', worker, json, now)
      const [, ...granted] = answer as [string, ...Granted]
      const [at, grants, waitMs, short] = granted
      return { at, grants, waitMs, short }
    },
    async connections(now, worker, said) {
      const json = JSON.stringify({ connections: said, spent: [], unleased: 0 })
      const answer = await redis.evalsha(
        beat,
        4,
        limits,
        connections,
        spent,
        quota,
        '0',
        worker,
        60,
        json,
        now,
      )
      return (answer as [number, string, string, number])[3]
    },
  }
}
