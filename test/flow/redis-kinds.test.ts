import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../../src/cli/free-port.js'
import { parseEnvironment } from '../../src/environment.js'
import { DeliveryWorker, FluxMail, MailQueue, type RedisTarget } from '../../src/index.js'
import { redisTargetOf } from '../../src/ops/redis-settings.js'
import { openSink } from '../../src/sink/sink.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { quickLanes } from '../helpers/mail-flow.js'
import { rights } from '../helpers/redis-rights.js'
import { openRedisServer } from '../helpers/redis-server.js'
import { cert, key } from '../sink/certificate.js'

const content = { subject: 'Hello {{ name }}', text: 'Hello', sender: 'news@example.com' }
const rows = Array.from({ length: 20 }, (_, index) => ({ to: `r${index}@example.com`, name: `N${index}` }))

/** A single mail and a batch, in and out again, and what is asked of them afterwards. */
async function passes(redis: RedisTarget, options: { name?: string; durability?: 'replicated' } = {}) {
  const { name = freshName(), ...others } = options
  const sink = await openSink({ httpPort: false })
  const mail = new FluxMail({ host: '127.0.0.1', port: sink.smtpPort, sender: 'news@example.com' })
  const queue = new MailQueue({ redis, name, ...others })
  const relays = { main: { host: '127.0.0.1', port: sink.smtpPort } }
  const worker = new DeliveryWorker({ redis, name, relays, lanes: quickLanes, logLevel: 'error', ...others })
  try {
    await worker.start()
    const email = mail.create({ subject: 'Hi', body: 'Hi', recipients: ['one@example.com'] })
    const { deliveries } = await queue.enqueue(email, { idempotencyKey: 'k' })
    const batch = await queue.enqueueBatch(rows, content, { batchId: 'b' })
    await batch.wait({ intervalMs: 20 })
    const id = deliveries[0]?.id ?? ''
    await eventually('it is sent', async () => (await queue.delivery(id)).state === 'sent')
    await askAround(queue, id)
    expect(sink.messages).toHaveLength(21)
  } finally {
    await worker.close()
    await Promise.all([queue.close(), mail.close(), sink.close()])
  }
}

/** Calls that are made with other commands of Redis than sending is. */
async function askAround(queue: MailQueue, id: string): Promise<void> {
  await queue.suppressions.add('gone@example.com')
  await queue.explain(id)
  await queue.explain('b')
  await queue.failures().groups()
  await queue.batches()
  await queue.relays()
  await queue.replay({ batch: 'b' })
  const outcomes = queue.outcomes({ group: 'g', signal: AbortSignal.abort() })
  await outcomes.next()
  await queue.endOutcomes('g')
  await queue.batch('b').pause()
  await queue.batch('b').resume()
  expect(await queue.forget('r0@example.com')).toMatchObject({ finished: 1 })
  await queue.batch('b').delete()
  expect((await queue.status()).map(({ sent }) => sent)).toEqual([1, 20])
}

test('mail passes a Redis behind a Unix socket, in a database of its own', async () => {
  await using server = await openRedisServer({ args: ['--unixsocket', './redis.sock'] })
  const url = `unix://${join(server.folder, 'redis.sock')}?db=3`
  await passes(url)
  expect(await server.ask((client) => client.info('keyspace'))).toMatch(/db3:/)
  expect(await server.ask((client) => client.dbsize())).toBe(0)
})

test('mail passes a Redis whose URL names a database', async () => {
  await using server = await openRedisServer()
  await passes(`redis://127.0.0.1:${server.port}/5`)
  expect(await server.ask((client) => client.info('keyspace'))).toMatch(/^db5:/m)
})

test('mail passes a Redis that is spoken to in RESP2', async () => {
  await using server = await openRedisServer()
  await passes({ url: `redis://127.0.0.1:${server.port}`, protocol: 2 })
  expect(await server.ask((client) => client.dbsize())).toBeGreaterThan(0)
})

test('mail passes a Redis over TLS that asks for our certificate; the files are named in the environment', async () => {
  const tlsPort = await freePort()
  await using plain = await openRedisServer()
  const file = (name: string) => join(plain.folder, name)
  await Promise.all([writeFile(file('cert.pem'), cert), writeFile(file('key.pem'), key)])
  const files = ['--tls-cert-file', file('cert.pem'), '--tls-key-file', file('key.pem')]
  const trusted = ['--tls-ca-cert-file', file('cert.pem'), '--tls-auth-clients', 'yes']
  await using server = await openRedisServer({ args: ['--tls-port', `${tlsPort}`, ...files, ...trusted] })
  const env = {
    FLUXMAIL_REDIS_URL: `rediss://127.0.0.1:${tlsPort}`,
    FLUXMAIL_REDIS_CA_FILE: file('cert.pem'),
    FLUXMAIL_REDIS_CERT_FILE: file('cert.pem'),
    FLUXMAIL_REDIS_KEY_FILE: file('key.pem'),
  }
  await passes(redisTargetOf(parseEnvironment(env)))
  expect(await server.ask((client) => client.dbsize())).toBeGreaterThan(0)
  await using untrusting = new MailQueue({ redis: env.FLUXMAIL_REDIS_URL })
  await expect(untrusting.status()).rejects.toMatchObject({
    code: 'queue_unavailable',
    message: expect.stringMatching(/self-signed certificate/),
  })
})

test('mail passes a Redis whose user may do no more than what the README says, and touches no other key', async () => {
  await using server = await openRedisServer()
  await server.ask((client) => client.call('ACL', 'SETUSER', 'app', 'on', '>secret', ...rights))
  await using replica = await openRedisServer({ args: ['--replicaof', `127.0.0.1 ${server.port}`] })
  const link = async () => (await replica.ask((client) => client.info())).includes('master_link_status:up')
  await eventually('the replica follows', link)
  const url = `redis://app:secret@127.0.0.1:${server.port}`
  await passes(url, { name: 'fluxmail', durability: 'replicated' })
  const denied = await server.ask((client) => client.call('ACL', 'LOG'))
  expect(denied).toEqual([])
  await using other = new MailQueue({ redis: url, name: 'other' })
  await expect(other.status()).rejects.toMatchObject({ code: 'queue_unavailable' })
})
