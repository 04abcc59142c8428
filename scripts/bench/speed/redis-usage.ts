// What Redis takes: its CPU time, and the memory of what it holds.

import { Redis } from 'ioredis'

export interface RedisUsage extends AsyncDisposable {
  cpuMs(): Promise<number>
  /** Of its data, without what it keeps for its clients and for its log. */
  bytes(): Promise<number>
  /** Of those of its keys that have no less than so many bytes. */
  largeKeys(least: number): Promise<number>
  clear(): Promise<void>
}

export function openRedisUsage(url: string): RedisUsage {
  const client = new Redis(url)
  const read = async (section: string) => {
    const text = await client.info(section)
    return (field: string) => Number(new RegExp(`^${field}:(\\S+)`, 'm').exec(text)?.[1] ?? 0)
  }
  return {
    async cpuMs() {
      const value = await read('cpu')
      return 1_000 * (value('used_cpu_user') + value('used_cpu_sys'))
    },
    async bytes() {
      const value = await read('memory')
      return value('used_memory') - value('mem_aof_buffer') - value('mem_clients_normal')
    },
    async largeKeys(least) {
      const keys = await client.keys('*')
      const sizes = await Promise.all(keys.map((key) => client.memory('USAGE', key, 'SAMPLES', 0)))
      return sizes.reduce<number>((sum, size) => sum + (Number(size) >= least ? Number(size) : 0), 0)
    },
    async clear() {
      await client.flushall()
    },
    async [Symbol.asyncDispose]() {
      client.disconnect()
    },
  }
}
