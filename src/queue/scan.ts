// Pages of the keys of Redis that match a pattern. What is there all the while is found; a key may come twice.

import type { Redis } from '../redis.js'

const PAGE = 1_000

export async function* scan(
  redis: Redis,
  pattern: string,
  type: 'hash' | 'string',
): AsyncGenerator<string[], void, void> {
  let cursor = '0'
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', PAGE, 'TYPE', type)
    cursor = next
    yield [...new Set(found)]
  } while (cursor !== '0')
}
