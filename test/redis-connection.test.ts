import { expect, test } from 'vitest'
import { createRedis, disconnect, ready } from '../src/redis.js'
import { eventually } from './helpers/eventually.js'

// Nothing listens there.
const away = 'redis://127.0.0.1:1'

test('who waits between two attempts to connect is told at once that the connection was closed', async () => {
  const redis = createRedis(away, 'worker')
  await expect(ready(redis)).rejects.toMatchObject({ code: 'queue_unavailable' })
  await eventually('it reconnects', () => redis.status === 'reconnecting')
  const waiting = ready(redis).catch((error: unknown) => error)
  disconnect(redis)
  expect(String(await waiting)).toMatch(/the connection was closed/)
  await expect(ready(redis)).rejects.toMatchObject({ code: 'closed' })
})
