// What rows that wait cost Redis, and how fast they are taken: `node --import tsx scripts/batch-memory.ts 1000000`.
// The Redis is a private one with its AOF on, as a real one has to be; the rows come from a generator, each with a token
// of its own, which nothing can compress.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { openPrivateRedis } from '../src/cli/private-redis.js'
import { MailQueue } from '../src/index.js'

const count = Number(process.argv[2] ?? 100_000)
const names = [
  'Ada',
  'Grace',
  'Alan',
  'Edsger',
  'Barbara',
  'Donald',
  'Ken',
  'Dennis',
  'Margaret',
  'Katherine',
]
const cities = ['London', 'Arlington', 'Amsterdam', 'Rotterdam', 'Boston', 'Zürich', 'Helsinki', 'São Paulo']
const content = {
  subject: 'News for {{ city }}',
  text: 'Dear {{ name }}, {{ token }}',
  sender: 'news@example.com',
}

const TOKEN_BYTES = 30
// Longer than what a compressor looks back on.
const chance = randomBytes(1_000_003)

function rowOf(index: number) {
  const at = (index * TOKEN_BYTES) % (chance.length - TOKEN_BYTES)
  const name = names[chance.readUInt8(at) % names.length] ?? ''
  const city = cities[chance.readUInt8(at + 1) % cities.length] ?? ''
  const token = chance.toString('hex', at, at + TOKEN_BYTES)
  return { to: `${name.toLowerCase()}.${index}@example.com`, name, city, token, member: index }
}

function* rows() {
  for (let index = 0; index < count; index += 1) yield rowOf(index)
}

/** Processor time of this process in microseconds, all of its threads together. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** What producing the rows costs by itself. */
function costOfRows(): number {
  const before = cpuMicros()
  for (const row of rows()) if (row.to === '') throw new TypeError('a row without an address')
  return cpuMicros() - before
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
}

await using server = await openPrivateRedis()
await using queue = new MailQueue({ redis: server.url })
const redis = new Redis(server.url)
const sample = Math.min(count, 1000)
let sampled = 0
for (let index = 0; index < sample; index += 1) sampled += Buffer.byteLength(JSON.stringify(rowOf(index)))
const generatorMicros = costOfRows()
// A small batch first, so that scripts are loaded and the connection stands.
await queue.enqueueBatch([rowOf(0)], content)
const before = await usedMemory(redis)
const cpuBefore = cpuMicros()
const startedAt = performance.now()
const batch = await queue.enqueueBatch(rows(), content)
const seconds = (performance.now() - startedAt) / 1000
const micros = cpuMicros() - cpuBefore - generatorMicros
const after = await usedMemory(redis)
const { total } = await batch.status()
const figures = {
  rows: total,
  jsonBytesPerRow: Math.round(sampled / sample),
  redisBytesPerRow: Math.round(((after - before) / total) * 10) / 10,
  rowsPerSecond: Math.round(total / seconds),
  // Without what the generator takes.
  cpuMicrosPerRow: Math.round((micros / total) * 10) / 10,
  residentMb: Math.round(process.memoryUsage.rss() / 1e6),
}
process.stdout.write(`${JSON.stringify(figures)}\n`)
redis.disconnect()
