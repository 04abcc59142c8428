import { expect, inject, test } from 'vitest'
import { parseConfigFile } from '../src/config.js'
import { DeliveryWorker, FluxMailError, MailQueue } from '../src/index.js'
import { unavailable } from '../src/redis.js'
import { freshName } from './helpers/fresh-name.js'
import { openMailFlow } from './helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const code = (wanted: string) => expect.objectContaining({ name: 'FluxMailError', code: wanted })

test.each([
  ['no options', undefined],
  ['an unknown option', { nam: 'x' }],
  ['a redis that is no URL', { redis: 'localhost' }],
  ['a keyPrefix', { redis: { keyPrefix: 'x' } }],
  ['an empty name', { redis: 'redis://127.0.0.1', name: '' }],
])('a queue with %s is refused', (_what, options) => {
  expect(() => new MailQueue(options as never)).toThrow(code('invalid_config'))
})

test.each([
  ['no options', undefined],
  ['no relays', { redis: 'redis://127.0.0.1' }],
  ['no lanes', { redis: 'redis://127.0.0.1', relays: { main: { host: 'localhost' } }, lanes: {} }],
  [
    'a time no timer can wait',
    { redis: 'redis://127.0.0.1', relays: { main: { host: 'localhost', timeoutMs: 3e9 } } },
  ],
  [
    'a route to an unknown relay',
    { redis: 'redis://127.0.0.1', relays: { main: { host: 'localhost' } }, routes: { a: ['toString'] } },
  ],
])('a worker with %s is refused', (_what, options) => {
  expect(() => new DeliveryWorker(options as never)).toThrow(code('invalid_config'))
})

test.each([undefined, 'a@example.com', {}, 5])(
  'rows that are %j are refused before the batch exists',
  async (rows) => {
    await using flow = await openMailFlow()
    const enqueue = flow.queue.enqueueBatch(rows as never, content, { batchId: 'b' })
    await expect(enqueue).rejects.toEqual(code('invalid_params'))
    await expect(flow.queue.batch('b').status()).rejects.toEqual(code('batch_not_found'))
  },
)

test('a row that throws when it is looked at is rejected like any other', async () => {
  await using flow = await openMailFlow()
  const trap = Object.defineProperty({ to: 'a@example.com' }, 'name', {
    enumerable: true,
    get() {
      throw new Error('boom')
    },
  })
  const reasons: string[] = []
  const onReject = async (_row: unknown, error: FluxMailError) => void reasons.push(error.message)
  const batch = await flow.queue.enqueueBatch([trap, { to: 'b@example.com' }], content, { onReject })
  expect(reasons).toEqual(['the row cannot be read: boom'])
  expect(await batch.status()).toMatchObject({ total: 1, rejected: 1 })
})

test('an onReject that rejects ends the call, and not the process', async () => {
  await using flow = await openMailFlow()
  const onReject = async () => Promise.reject(new Error('disk full'))
  const enqueue = flow.queue.enqueueBatch([{ to: 'nobody' }], content, { onReject })
  await expect(enqueue).rejects.toThrow('onReject threw at row 0: disk full')
})

test.each(['wait', 'meta', '', 'b:0', 'b.x'])('the id %j is no delivery', async (id) => {
  await using flow = await openMailFlow()
  await flow.queue.enqueueBatch([{ to: 'a@example.com' }], content)
  await expect(flow.queue.delivery(id)).rejects.toEqual(code('delivery_not_found'))
  await expect(flow.queue.cancel(id)).rejects.toEqual(code('delivery_not_found'))
})

test('a wrong password of Redis is told as what it is, and not quoted', async () => {
  const url = new URL(inject('redisUrl'))
  url.username = 'nobody'
  url.password = 'open-sesame'
  const queue = new MailQueue({ redis: url.toString(), name: freshName() })
  const error = await queue.status().catch((thrown: unknown) => thrown)
  expect(error).toEqual(code('queue_unavailable'))
  expect((error as Error).message).toMatch(/WRONGPASS|invalid username-password/)
  expect((error as Error).message).not.toContain('open-sesame')
  await queue.close()
})

test('an error of Redis carries no command with the bodies of emails', () => {
  const reply = Object.assign(new Error('OOM command not allowed'), { command: { args: ['secret body'] } })
  const error = unavailable(reply)
  expect(error.message).toContain('OOM')
  expect(JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause))).not.toContain('secret body')
})

test('a configuration file that is not JSON is refused without quoting it', () => {
  const text = '{\n  "password": hunter2\n}'
  expect(() => parseConfigFile(text, 'relays.json')).toThrow(FluxMailError)
  expect(() => parseConfigFile(text, 'relays.json')).toThrow(/^relays\.json is not JSON/)
  expect(() => parseConfigFile(text, 'relays.json')).not.toThrow(/hunter2/)
})

test('a closed queue says that it is closed', async () => {
  const queue = new MailQueue({ redis: inject('redisUrl'), name: freshName() })
  await queue.status()
  await queue.close()
  await expect(queue.status()).rejects.toEqual(code('closed'))
  await expect(queue.batch('b').status()).rejects.toEqual(code('closed'))
})

test('a row without an address says what it has instead', async () => {
  await using flow = await openMailFlow()
  const reasons: string[] = []
  const rows = [{ email: 'a@example.com', name: 'Ada' }] as never
  await flow.queue.enqueueBatch(rows, content, { onReject: (_row, error) => reasons.push(error.message) })
  expect(reasons).toEqual(['a row needs `to`, the address of its recipient; this one has email, name'])
})

test('without Redis the error names where it was looked for, and why it failed', async () => {
  const queue = new MailQueue({ redis: 'redis://127.0.0.1:1', name: freshName() })
  await expect(queue.status()).rejects.toThrow('Redis at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED')
  await queue.close()
})
