import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { freshName, removeFreshNames } from './fresh-name.js'

test('no name is given twice, and each is fit for a queue', () => {
  const names = Array.from({ length: 1_000 }, freshName)
  expect(new Set(names).size).toBe(1_000)
  for (const name of names) expect(name).toMatch(/^t-[0-9a-f-]+$/)
})

test('removing names removes every key that holds one, and no other', async () => {
  const redis = new Redis(inject('redisUrl'))
  const name = freshName()
  const other = `other-${crypto.randomUUID()}`
  await redis.mset(`bull:${name}:1`, '1', `{${name}}:mark`, '1', other, '1')
  await removeFreshNames()
  expect(await redis.exists(`bull:${name}:1`, `{${name}}:mark`)).toBe(0)
  expect(await redis.del(other)).toBe(1)
  await redis.quit()
})
