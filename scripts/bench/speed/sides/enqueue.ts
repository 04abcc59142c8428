// Enqueueing: how fast rows get into Redis, and what it holds for each of them afterwards.

import { openPrivateRedis } from '../../../../src/cli/private-redis.js'
import { enqueueNewsletter } from '../ours.js'
import { fillRecipe } from '../recipe.js'
import { openRedisUsage } from '../redis-usage.js'
import type { Bench, Reading, Side } from '../row.js'
import { sizeOf } from '../sizes.js'

type Fill = (redis: string, count: number, signal: AbortSignal) => Promise<void>

function fillOf(name: string, fill: Fill): Side {
  return { name, size: 'rows', run: (bench) => measure(bench, fill) }
}

async function measure(bench: Bench, fill: Fill): Promise<Reading> {
  const { signal } = bench
  const { warmUp, timed } = sizeOf(bench, 'rows')
  await using redis = await openPrivateRedis()
  await using usage = openRedisUsage(redis.url)
  await fill(redis.url, warmUp, signal)
  await usage.clear()
  const [bytes, redisMs] = [await usage.bytes(), await usage.cpuMs()]
  const [at, cpu] = [performance.now(), process.cpuUsage()]
  await fill(redis.url, timed, signal)
  const { user, system } = process.cpuUsage(cpu)
  const perSecond = (1_000 * timed) / (performance.now() - at)
  return {
    perSecond,
    cpuMs: (user + system) / 1_000 / timed,
    redisMs: ((await usage.cpuMs()) - redisMs) / timed,
    rowBytes: ((await usage.bytes()) - bytes) / timed,
  }
}

export const enqueued = fillOf('FluxMail, enqueueing', (redis, count, signal) =>
  enqueueNewsletter(redis, count, { signal }),
)
export const added = fillOf("BullMQ's addBulk", fillRecipe)
