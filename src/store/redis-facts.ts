// What Redis says of itself, for the metrics: memory, what it does when that is full, whether it writes to disk, clients.
// It asks for nothing that a hosted Redis forbids: INFO, never CONFIG. What is not said has no value.

import { isRefusal, type Redis } from '../redis.js'

export interface RedisFacts {
  /** What counts against `maxmemory`, in bytes: buffers of replicas and of the append-only file do not. */
  readonly memoryBytes?: number
  /** `maxmemory`; missing where there is none. */
  readonly memoryLimitBytes?: number
  /** Whether it throws keys away when its memory is full. */
  readonly evicts?: boolean
  readonly appendOnly?: boolean
  /** Whether what it wrote last to its append-only file, or as a snapshot, failed. */
  readonly writeFailed?: boolean
  readonly clients?: number
  readonly commandsPerSecond?: number
  readonly replicas?: number
}

/** Empty where a user may not ask; rejects when Redis does not answer. */
export async function readRedisFacts(redis: Redis): Promise<RedisFacts> {
  const info = await redis.info().catch((error: unknown) => {
    if (isRefusal(error)) return ''
    throw error
  })
  return redisFactsIn(info)
}

const writeStates = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'] as const

/** Of the answer to INFO; hosted ones leave lines out. */
export function redisFactsIn(info: string): RedisFacts {
  const lines = new Map(info.split(/\r?\n/).map((line) => splitOnce(line)))
  const number = (field: string) => numberIn(lines.get(field))
  const used = number('used_memory')
  const limit = number('maxmemory')
  const policy = lines.get('maxmemory_policy')
  const writes = writeStates.flatMap((field) => lines.get(field) ?? [])
  return known({
    memoryBytes: used === undefined ? undefined : used - (number('mem_not_counted_for_evict') ?? 0),
    memoryLimitBytes: limit === 0 ? undefined : limit,
    evicts: policy === undefined ? undefined : policy !== 'noeviction',
    appendOnly: lines.has('aof_enabled') ? lines.get('aof_enabled') === '1' : undefined,
    writeFailed: writes.length === 0 ? undefined : writes.some((status) => status !== 'ok'),
    clients: number('connected_clients'),
    commandsPerSecond: number('instantaneous_ops_per_sec'),
    replicas: number('connected_slaves'),
  })
}

function splitOnce(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  return colon < 0 ? ['', ''] : [line.slice(0, colon), line.slice(colon + 1)]
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

function known(facts: { readonly [Name in keyof RedisFacts]: RedisFacts[Name] | undefined }): RedisFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}
