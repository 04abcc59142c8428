import { expect, test } from 'vitest'
import { DeliveryWorker } from '../../src/index.js'
import { widthOf } from '../../src/terminal/text.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { writeFiles } from './folder.js'
import { run } from './terminal.js'

test('a Redis as it should be passes, in a table of 80 columns', async () => {
  await using redis = await openOwnRedis()
  const { exitCode, stdout, stderr } = await run(['doctor', '--redis', redis.url])
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^ok {2}eviction {10}noeviction: a full Redis refuses/)
  expect(stdout).toMatch(/^ok {2}append-only file {2}on$/m)
  expect(stdout).not.toMatch(/warning|refused/)
})

test('one that evicts is refused with exit code 2 and the command that mends it; the rest is warned of', async () => {
  await using redis = await openOwnRedis()
  await redis.ask((client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'))
  await redis.ask((client) => client.config('SET', 'appendonly', 'no'))
  const [config = ''] = await writeFiles({
    'worker.json': JSON.stringify({
      relays: { main: { host: 'relay', maxConnections: 2, selfTuning: false } },
      durability: 'replicated',
    }),
  })
  const args = ['doctor', '--redis', redis.url, '--config', config]
  const { exitCode, stdout } = await run(args)
  expect(exitCode).toBe(2)
  const words = stdout.replaceAll(/\s+/g, ' ')
  expect(words).toContain('refused eviction the eviction policy is allkeys-lru')
  expect(words).toContain(`redis-cli -h 127.0.0.1 -p ${redis.port} CONFIG SET maxmemory-policy noeviction`)
  expect(words).toContain('warning append-only file')
  expect(words).toContain('20 deliveries at once share 2 connections')
  expect(words).toContain('warning limits main: no rate')
  expect(words).toContain('no replica is connected')
  expect(Math.max(...stdout.split('\n').map(widthOf))).toBeLessThanOrEqual(80)
  const json = await run([...args, '--json'])
  expect(json.exitCode).toBe(2)
  expect(JSON.parse(json.stdout)).toContainEqual(
    expect.objectContaining({ check: 'eviction', verdict: 'refused', mend: expect.any(String) }),
  )
  const mend = /redis-cli (-h \S+ -p \S+) (CONFIG SET \S+ \S+),/.exec(words)?.[2]?.split(' ') ?? []
  await redis.ask((client) => client.call(mend[0] ?? '', ...mend.slice(1)))
  expect((await run(args)).exitCode).toBe(0)
})

test('where Redis forbids CONFIG it is asked all the same, and where it forbids INFO that is said', async () => {
  await using redis = await openOwnRedis()
  await redis.ask((client) => client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', '-config'))
  await redis.ask((client) => client.config('SET', 'maxmemory-policy', 'volatile-lru'))
  const url = redis.url.replace('//', '//app:secret@')
  const refused = await run(['doctor', '--redis', url])
  expect(refused.exitCode).toBe(2)
  expect(refused.stdout).not.toContain('secret')
  await redis.ask((client) => client.call('ACL', 'SETUSER', 'app', '-info'))
  const blind = await run(['doctor', '--redis', url])
  expect(blind.exitCode).toBe(0)
  expect(blind.stdout).toMatch(/^warning {2}eviction +Redis does not say/m)
})

test('without Redis it says so, with exit code 2', async () => {
  const { exitCode, stderr } = await run(['doctor', '--redis', 'redis://127.0.0.1:1'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('(queue_unavailable)')
})

test('a worker refuses to start on a Redis that evicts, and takes nothing', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await flow.queue.enqueueBatch([{ to: 'a@example.com' }], {
    subject: 's',
    text: 't',
    sender: 'a@example.com',
  })
  await redis.ask((client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'))
  await expect(flow.work()).rejects.toMatchObject({
    code: 'invalid_config',
    message: expect.stringMatching(/allkeys-lru.*CONFIG SET maxmemory-policy noeviction/),
  })
  expect((await flow.queue.status())[1]).toMatchObject({ waiting: 1, active: 0 })
})

test('a worker warns once of what is doubtful, and starts', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await redis.ask((client) => client.config('SET', 'appendonly', 'no'))
  const warned: { fields: object; message: string }[] = []
  const warn = (fields: object, message: string) => void warned.push({ fields, message })
  const worker = await flow.work({ logger: { debug() {}, info() {}, warn, error() {} } })
  expect(worker).toBeInstanceOf(DeliveryWorker)
  expect(warned).toEqual([
    {
      fields: { check: 'append-only file', mend: expect.stringContaining('appendonly yes') },
      message: 'the append-only file is off: a restart loses mail',
    },
  ])
})

test('FLUXMAIL_DURABILITY is that of what is enqueued, and a wrong one is refused', async () => {
  await using redis = await openOwnRedis()
  const [csv = '', template = ''] = await writeFiles({ 'a.csv': 'email\na@example.com\n', 'a.html': 'Hello' })
  const args = [
    'enqueue',
    '--csv',
    csv,
    '--template',
    template,
    '--subject',
    's',
    '--sender',
    'n@example.com',
  ]
  const enqueue = (FLUXMAIL_DURABILITY: string) =>
    run([...args, '--redis', redis.url], { env: { FLUXMAIL_DURABILITY } })
  expect(await enqueue('replicated')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('no replica'),
  })
  expect(await enqueue('somewhere')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('FLUXMAIL_DURABILITY'),
  })
  expect((await enqueue('primary')).exitCode).toBe(0)
})
