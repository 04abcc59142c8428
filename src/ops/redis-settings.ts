// Where Redis is, as a process is told it: an address from the command line or the environment, and files for TLS.

import { readFileSync } from 'node:fs'
import type { EnvironmentValues } from '../environment.js'
import { FluxMailError, messageOf } from '../errors.js'
import { defaultRedisUrl, type RedisTarget } from '../redis.js'

/**
 * `url` goes before the environment's.
 *
 * @throws FluxMailError `read_error` for a file that cannot be read
 */
export function redisTargetOf(values: EnvironmentValues, url = values.redis ?? defaultRedisUrl): RedisTarget {
  const files = { ca: values.redisCaFile, cert: values.redisCertFile, key: values.redisKeyFile }
  const named = Object.entries(files).flatMap(([part, path]) => (path === undefined ? [] : [{ part, path }]))
  if (named.length === 0) return url
  const tls = Object.fromEntries(named.map(({ part, path }) => [part, readPem(part, path)]))
  return { url, tls, ...(/^rediss?\+sentinel:/.test(url) ? { sentinelTLS: tls } : {}) }
}

function readPem(part: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const variable = `FLUXMAIL_REDIS_${part.toUpperCase()}_FILE`
    throw new FluxMailError('read_error', `${variable}: ${messageOf(cause)}`, { cause })
  }
}
