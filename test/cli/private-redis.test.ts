import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { startRedisProcess } from '../../src/cli/redis-process.js'
import { eventually } from '../helpers/eventually.js'
import { requireProgram } from '../helpers/programs.js'

beforeEach((context) => {
  requireProgram(context, 'redis-server', 'valkey-server')
})

/** A connection that gives up at once, so that an ended Redis is an error and not a wait. */
function client(url: string): Redis {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0, lazyConnect: true })
  redis.on('error', () => undefined)
  onTestFinished(() => redis.disconnect())
  return redis
}

async function answers(url: string): Promise<boolean> {
  const redis = client(url)
  try {
    await redis.connect()
    return (await redis.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}

async function setting(url: string, name: string): Promise<string | undefined> {
  const reply = (await client(url).config('GET', name)) as string[]
  return reply[1]
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface Owner {
  readonly child: ChildProcess
  readonly url: string
  readonly lines: string[]
  readonly gone: Promise<unknown>
}

async function startOwner(mode: 'stay' | 'leave'): Promise<Owner> {
  const program = join(import.meta.dirname, 'fixtures', 'redis-owner.ts')
  const args = ['--import', 'tsx', program, mode]
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'close')
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const url = await eventually('the URL of its Redis', () => lines[0])
  return { child, url, lines, gone }
}

test('it keeps an append-only file, evicts nothing and listens on loopback alone', async () => {
  await using redis = await openPrivateRedis()
  expect(redis.url).toBe(`redis://127.0.0.1:${redis.port}`)
  expect(await setting(redis.url, 'appendonly')).toBe('yes')
  expect(await setting(redis.url, 'maxmemory-policy')).toBe('noeviction')
  const outside = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  for (const { address } of outside.filter((one) => one.family === 'IPv4' && !one.internal)) {
    expect(await answers(`redis://${address}:${redis.port}`)).toBe(false)
  }
})

test('closing it resolves when it has ended and its temporary folder is gone, and may be repeated', async () => {
  const redis = await openPrivateRedis()
  const folder = (await setting(redis.url, 'dir')) ?? ''
  expect(existsSync(folder)).toBe(true)
  await redis.close()
  expect(await answers(redis.url)).toBe(false)
  expect(existsSync(folder)).toBe(false)
  await redis.close()
})

test('what was written stays in a folder that was named', async () => {
  const folder = join(await newFolder(), 'with a space', 'redis')
  {
    await using redis = await openPrivateRedis({ folder })
    await client(redis.url).set('kept', 'yes')
  }
  await using again = await openPrivateRedis({ folder })
  expect(await client(again.url).get('kept')).toBe('yes')
})

test('a folder that another Redis still writes to is refused', async () => {
  const folder = await newFolder()
  await using first = await openPrivateRedis({ folder })
  const opening = openPrivateRedis({ folder })
  await expect(opening).rejects.toMatchObject({
    code: 'setup_failed',
    message: expect.stringContaining(`a Redis on port ${first.port} already keeps its data in`),
  })
  expect(await answers(first.url)).toBe(true)
})

test('two at once have ports and data of their own', async () => {
  await using first = await openPrivateRedis()
  await using second = await openPrivateRedis()
  await client(first.url).set('key', 'of the first')
  expect(await client(second.url).get('key')).toBeNull()
})

test('a port that is taken is named in the error', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await expect(openPrivateRedis({ port })).rejects.toMatchObject({
    code: 'setup_failed',
    message: `port ${port} on 127.0.0.1 is taken: leave the port out to have a free one`,
  })
})

test('a folder that cannot be made is an error that says so', async () => {
  const opening = openPrivateRedis({ folder: '/dev/null/redis' })
  await expect(opening).rejects.toMatchObject({
    code: 'setup_failed',
    message: expect.stringContaining('no folder for the data of Redis'),
  })
})

test('a missing program and one that ends at once are told apart', async () => {
  const folder = await newFolder()
  const options = { folder, port: 1, deadlineMs: 5_000 }
  const missing = await startRedisProcess({ ...options, programs: ['fluxmail-no-such-program'] })
  expect(missing).toMatchObject({ reason: 'missing' })
  expect(await startRedisProcess({ ...options, programs: ['false'] })).toMatchObject({ reason: 'other' })
})

test('a Redis that never gets ready is ended at the deadline', async () => {
  const options = { port: 1, deadlineMs: 100 }
  const problem = await startRedisProcess({
    ...options,
    programs: [join(import.meta.dirname, 'fixtures', 'hang')],
  })
  expect(problem).toMatchObject({ reason: 'other', log: expect.stringContaining('not ready after 100 ms') })
  const folder = /\S*fluxmail-redis-\S+/.exec('log' in problem ? problem.log : '')?.[0]
  expect(existsSync(folder ?? '/')).toBe(false)
})

test('it ends when its owner is killed with SIGKILL, and leaves no folder', async () => {
  const owner = await startOwner('stay')
  const folder = (await setting(owner.url, 'dir')) ?? ''
  owner.child.kill('SIGKILL')
  await owner.gone
  await eventually('Redis has ended', async () => !(await answers(owner.url)))
  await eventually('its folder is removed', () => !existsSync(folder))
})

test('it does not keep its owner alive, and ends with it', async () => {
  const owner = await startOwner('leave')
  expect(await owner.gone).toEqual([0, null])
  await eventually('Redis has ended', async () => !(await answers(owner.url)))
})

test('a Ctrl-C for the process group of its owner does not reach it', async () => {
  const owner = await startOwner('stay')
  const redis = client(owner.url)
  const value = async (name: string) => new RegExp(`${name}:(.*)`).exec(await redis.info('server'))?.[1]
  const processId = await value('process_id')
  const uptime = Number(await value('uptime_in_seconds'))
  process.kill(-(owner.child.pid ?? 0), 'SIGINT')
  await eventually('its owner has seen it', () => owner.lines.includes('interrupted'))
  await eventually('time passes for Redis', async () => Number(await value('uptime_in_seconds')) > uptime)
  expect(await value('process_id')).toBe(processId)
})
