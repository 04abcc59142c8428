// One Redis for the whole run: FLUXMAIL_REDIS_URL where it is set, else a private one that ends with the run.

import type { TestProject } from 'vitest/node'
import { openPrivateRedis } from '../../src/cli/private-redis.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The Redis of this run. Keys in it belong under a `freshName()`. */
    redisUrl: string
  }
}

export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env.FLUXMAIL_REDIS_URL
  if (given) {
    project.provide('redisUrl', given)
    return undefined
  }
  const redis = await openPrivateRedis()
  project.provide('redisUrl', redis.url)
  return () => redis.close()
}
