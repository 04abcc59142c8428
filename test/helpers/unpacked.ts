// The rows of a flow made jobs before any worker runs, for a test that looks at jobs or spoils them.

import { systemClock } from '../../src/clock.js'
import { createProviders } from '../../src/limits/providers.js'
import { createLaneQueues } from '../../src/queue/lane-queues.js'
import { createUnpacker } from '../../src/queue/unpack.js'
import { createRedis, keysOf } from '../../src/redis.js'
import { createChunkStore } from '../../src/store/chunks.js'
import { createTurns } from '../../src/store/turns.js'
import { eventually } from './eventually.js'
import type { MailFlow } from './mail-flow.js'

export interface Unpacking {
  /** Default `bulk`. */
  lane?: string
  /** Gates whose rows stay in their chunks, and how many rows those are. */
  shut?: ReadonlySet<string>
  left?: number
}

/** Resolves when no other row of the lane waits in a chunk; more than a few hundred would wait for jobs to be taken. */
export async function unpackRows(
  { redisUrl, name }: MailFlow,
  { lane = 'bulk', shut = new Set(), left = 0 }: Unpacking = {},
): Promise<void> {
  const redis = createRedis(redisUrl, 'worker')
  const keys = keysOf(name)
  const queues = createLaneQueues(redis, keys, [lane])
  const errors: unknown[] = []
  const unpacker = createUnpacker({
    lane,
    queues,
    turns: createTurns(redis, keys),
    chunks: createChunkStore(redis, keys),
    gates: { look: async () => shut },
    clock: systemClock,
    providerOf: createProviders({ clock: systemClock }).of,
    onError: (error) => errors.push(error),
  })
  try {
    await eventually('all rows are jobs', async () => {
      if (errors.length > 0) throw errors[0]
      return Number((await redis.hget(keys.laneCounts(lane), 'packed')) ?? 0) === left
    })
  } finally {
    await unpacker.stop()
    await queues.close()
    redis.disconnect()
  }
}
