// A name of its own for each test's keys in Redis, and their removal.

import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'

const given: string[] = []

/** A new name, fit for a key prefix or a queue. All keys that hold it are removed after the test file. */
export function freshName(): string {
  const name = `t-${randomUUID().slice(0, 13)}`
  given.push(name)
  return name
}

export async function removeFreshNames(): Promise<void> {
  if (given.length === 0) return
  const { Redis } = await import('ioredis')
  const redis = new Redis(inject('redisUrl'))
  try {
    for (const name of given.splice(0)) {
      for await (const keys of redis.scanStream({ match: `*${name}*`, count: 1_000 })) {
        if (keys.length > 0) await redis.unlink(...keys)
      }
    }
  } finally {
    await redis.quit()
  }
}
