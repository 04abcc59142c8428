import { expect, inject, test } from 'vitest'
import { createRedis } from '../../src/redis.js'
import { readRedisFacts, redisFactsIn } from '../../src/store/redis-facts.js'
import { openRedisServer } from '../helpers/redis-server.js'

test('Redis tells its memory, its policy, its disk and its clients', async () => {
  await using server = await openRedisServer({ args: ['--maxmemory', '64mb'] })
  const redis = createRedis(`redis://127.0.0.1:${server.port}`, 'worker')
  try {
    const facts = await readRedisFacts(redis)
    expect(facts).toMatchObject({
      ...{ memoryLimitBytes: 64 * 1024 * 1024, evicts: false, appendOnly: true },
      ...{ writeFailed: false, clients: 1, replicas: 0 },
    })
    expect(facts.memoryBytes).toBeGreaterThan(100_000)
    expect(facts.commandsPerSecond).toBeGreaterThanOrEqual(0)
    await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru', 'maxmemory', '0', 'appendonly', 'no')
    const changed = await readRedisFacts(redis)
    expect(changed).toMatchObject({ evicts: true, appendOnly: false })
    expect(changed).not.toHaveProperty('memoryLimitBytes')
  } finally {
    redis.disconnect()
  }
})

test('a write to disk that failed is told, whichever it was', () => {
  const ok = 'rdb_last_bgsave_status:ok\r\naof_last_bgrewrite_status:ok\r\naof_last_write_status:ok\r\n'
  expect(redisFactsIn(ok)).toEqual({ writeFailed: false })
  for (const field of ['rdb_last_bgsave', 'aof_last_bgrewrite', 'aof_last_write'])
    expect(redisFactsIn(ok.replace(`${field}_status:ok`, `${field}_status:err`))).toEqual({
      writeFailed: true,
    })
})

test('what a hosted Redis leaves out has no value, and neither has anything for a user who may not ask', async () => {
  expect(redisFactsIn('# Memory\r\nused_memory:1000\r\n')).toEqual({ memoryBytes: 1000 })
  expect(redisFactsIn('used_memory:soon\r\nmaxmemory:\r\n')).toEqual({})
  const admin = createRedis(inject('redisUrl'), 'worker')
  const user = createRedis(inject('redisUrl').replace('redis://', 'redis://curious:secret@'), 'worker')
  try {
    await admin.call('ACL', 'SETUSER', 'curious', 'on', '>secret', '~*', '+@all', '-info')
    expect(await readRedisFacts(user)).toEqual({})
  } finally {
    await admin.call('ACL', 'DELUSER', 'curious')
    admin.disconnect()
    user.disconnect()
  }
})
