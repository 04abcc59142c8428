import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { afterEach, expect, test, vi } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, openRedis } from '../helpers/mail-flow.js'
import { refusalOf } from '../message/refusal.js'

afterEach(() => vi.restoreAllMocks())

const letter = { subject: 'Hi', recipients: ['ada@example.com'], body: 'Hello' }
const content = { subject: 'Hi', text: 'Hello', sender: 'news@example.com' }

/** A web server that counts who asks it for anything. */
async function openTrap() {
  let requests = 0
  const server = createServer((_request, response) => {
    requests += 1
    response.end('fetched')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/x.png`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('a string that looks like a URL or data: is a path that does not exist, and is never fetched', async () => {
  await using trap = await openTrap()
  await using flow = await openMailFlow()
  const html = {
    ...letter,
    body: `<img src="${trap.url}"><link rel="stylesheet" href="${trap.url}">`,
    htmlBody: true,
  }
  for (const path of [
    trap.url,
    'https://example.com/a.png',
    'data:text/plain;base64,eA==',
    'file:///etc/hostname',
  ]) {
    for (const fields of [
      { attachments: [path] },
      { attachments: [{ path }] },
      { attachments: [{ filename: 'a.png', path }] },
      { ...html, inlineImages: { logo: path } },
      { ...html, inlineImages: { logo: { path, contentType: 'image/png' } } },
    ]) {
      const create = () => flow.mail.create({ ...letter, ...fields } as never)
      expect(refusalOf(create).code).toBe('attachment_not_found')
    }
    const batch = flow.queue.enqueueBatch([], { ...content, attachments: [path] })
    await expect(batch).rejects.toMatchObject({ code: 'attachment_not_found' })
  }
  for (const fields of [
    { attachments: [{ filename: 'a', href: trap.url }] },
    { attachments: [{ filename: 'a', raw: 'x' }] },
  ]) {
    expect(refusalOf(() => flow.mail.create({ ...letter, ...fields } as never)).code).toBe('invalid_params')
  }
  await flow.mail.send({ ...html, inlineCss: true })
  expect(trap.requests()).toBe(0)
})

/** Changes the content of an email in Redis by hand, as somebody who may write there would. */
async function forge(redis: Redis, name: string, subject: string, change: (json: object) => object) {
  for (const key of await redis.keys(`{${name}}:v1:content:*`)) {
    const json = await redis.hget(key, 'json')
    if (!json?.includes(`"${subject}"`)) continue
    await redis.hset(key, 'json', JSON.stringify(change(JSON.parse(json) as object)))
    return
  }
  throw new Error(`there is no content of ${subject}`)
}

test('nothing in a job or a content of Redis can make a worker open a file or a URL', async () => {
  await using trap = await openTrap()
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const folder = mkdtempSync(join(tmpdir(), 'fluxmail-forged-'))
  const secret = join(folder, 'secret.txt')
  writeFileSync(secret, 'TOPSECRET')
  const sources = [
    { path: secret },
    { href: trap.url },
    { path: trap.url },
    { raw: { path: secret } },
    { content: { path: secret } },
  ]
  const file = (source: object) => ({
    filename: 'a.txt',
    contentType: 'text/plain',
    size: 9,
    hash: '0'.repeat(64),
    ...source,
  })
  const forgeries: ((json: object) => object)[] = [
    ...sources.map((source) => (json: object) => ({ ...json, attachments: [file(source)] })),
    ...sources.map((source) => (json: object) => ({
      ...json,
      attachments: [{ filename: 'a.txt', ...source }],
    })),
    ...sources.map((source) => (json: object) => ({ ...json, ...source })),
    ...sources.map((source) => (json: object) => ({ ...json, text: source, html: source })),
    ...sources.map((source) => (json: object) => ({ ...json, kind: 'raw', message: source })),
    (json) => ({ ...json, attachments: [file({ hash: `../../${secret}` })] }),
    (json) => ({
      ...json,
      subject: `{% include "${secret}" %}`,
      text: `{% extends "${secret}" %}`,
      kind: 'template',
      autoescape: true,
    }),
    (json) => ({
      ...json,
      html: `<link rel="stylesheet" href="${trap.url}"><img src="${trap.url}">`,
      inlineCss: true,
    }),
  ]
  for (const [index, change] of forgeries.entries()) {
    const subject = `Letter ${index}`
    await flow.queue.enqueue(flow.mail.create({ ...letter, subject }))
    await forge(redis, flow.name, subject, change)
  }
  await flow.work()
  await eventually(
    'every forged delivery is settled',
    async () => (await flow.queue.status())[0]?.pending === 0,
  )
  const [lane] = await flow.queue.status()
  expect((lane?.sent ?? 0) + (lane?.failed ?? 0)).toBe(forgeries.length)
  expect(lane?.failed).toBeGreaterThan(sources.length)
  for (const { bytes } of flow.sink.messages) {
    expect(bytes.toString()).not.toContain('TOPSECRET')
    expect(bytes.toString()).not.toContain(Buffer.from('TOPSECRET').toString('base64'))
  }
  expect(trap.requests()).toBe(0)
  rmSync(folder, { recursive: true })
}, 60_000)

test('an attachment to 200 recipients is stored once in Redis and encoded once in a worker', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const bytes = Buffer.alloc(1_000_000, 7)
  const attachments = [{ filename: 'programme.pdf', content: bytes }]
  const people = Array.from({ length: 200 }, (_, index) => `r${index}@example.com`)
  const email = flow.mail.create({
    ...letter,
    recipients: people.slice(0, 100),
    bcc: people.slice(100),
    attachments,
  })
  const receipt = await flow.queue.enqueue(email)
  expect(receipt.deliveries).toHaveLength(200)
  const rows = people.map((to) => ({ to }))
  await flow.queue.enqueueBatch(rows, { ...content, attachments })
  const files = await redis.keys(`{${flow.name}}:v1:file:*`)
  expect(files).toHaveLength(1)
  const all = await redis.keys(`*${flow.name}*`)
  const sizes = await Promise.all(
    all.map(async (key) => Number(await redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'))),
  )
  const total = sizes.reduce((sum, size) => sum + size, 0)
  expect(total).toBeLessThan(bytes.length + 400 * 2_000 + 200_000)

  // Every line of base64 in a message is one call with these limits; other calls are of Redis and ids.
  const encode = vi.spyOn(Buffer.prototype, 'toString')
  await flow.work()
  await flow.sink.waitForMessages(400)
  const firstLines = encode.mock.calls.filter(
    ([encoding, from, to]) => encoding === 'base64' && from === 0 && to === 57,
  )
  expect(firstLines.length).toBe(2)
  encode.mockRestore()
  expect(flow.sink.messages.every(({ bytes: message }) => message.length > 1_300_000)).toBe(true)
}, 120_000)

test('a job that names a file that is not in Redis fails with content_missing', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const email = flow.mail.create({ ...letter, attachments: [{ filename: 'a', content: 'x' }] })
  const { deliveries } = await flow.queue.enqueue(email)
  await redis.unlink(...(await redis.keys(`{${flow.name}}:v1:file:*`)))
  await flow.work()
  const id = deliveries[0]?.id ?? ''
  const failed = await eventually('it fails', async () => {
    const record = await flow.queue.delivery(id)
    return record.state === 'failed' && record
  })
  expect(JSON.stringify(failed)).toContain('content_missing')
})
