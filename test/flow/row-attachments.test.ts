import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { keysOf } from '../../src/redis.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }
const terms = { filename: 'terms.txt', content: 'the terms' }

test('each row brings files of its own, after those that all share', async () => {
  await using flow = await openMailFlow()
  const bytes = Buffer.alloc(100_000, 7)
  const rows = rowsTo(300).map((row, index) => {
    if (index === 0) return row
    const own = { filename: `r${index}.txt`, content: `own of ${index}` }
    return { ...row, attachments: [own, { filename: 'tüte.bin', content: bytes, contentType: 'x/y' }] }
  })
  const batch = await flow.queue.enqueueBatch(rows, { ...content, attachments: [terms] })
  await flow.work()
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total: 300, sent: 300 })
  for (const { bytes: message, to } of flow.sink.messages) {
    const index = Number(/\d+/.exec(String(to[0]))?.[0])
    const { attachments, text } = await simpleParser(message)
    expect(text).toContain(`Dear Name ${index}`)
    const found = attachments.map(({ filename, content: own }) => [filename, own.length])
    const own = [`r${index}.txt`, `own of ${index}`.length]
    const expected = [['terms.txt', 9], ...(index === 0 ? [] : [own, ['tüte.bin', bytes.length]])]
    expect(found).toEqual(expected)
  }
}, 60_000)

test('files of rows are stored once by hash, held without a time to live, and gone when their rows are sent', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const files = () => redis.keys(keys.file('*'))
  const rows = rowsTo(10).map((row, index) => ({
    ...row,
    attachments: [terms, { filename: 'a.txt', content: `${index % 2}` }],
  }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  expect(await files()).toHaveLength(3)
  for (const file of await files()) expect(await redis.ttl(file)).toBe(-1)
  await flow.work()
  await batch.wait({ intervalMs: 20 })
  await eventually('they are gone', async () => (await files()).length === 0)
  expect(await redis.exists(keys.batchFiles(batch.id))).toBe(0)
})

test('files that are wrong or too large refuse their row alone; a path is never opened', async () => {
  await using flow = await openMailFlow()
  const errors: [number, string, string][] = []
  const rows: unknown[] = [
    { to: 'a@example.com', attachments: ['/etc/passwd'] },
    { to: 'b@example.com', attachments: [{ path: '/etc/passwd' }] },
    { to: 'c@example.com', attachments: 'report.pdf' },
    {
      to: 'd@example.com',
      attachments: [{ filename: 'big.bin', content: Buffer.alloc(25 * 1024 * 1024 - 8) }],
    },
    { to: 'e@example.com', attachments: [{ filename: 'a\r\nb.txt', content: 'x' }] },
    { to: 'nobody', attachments: [terms] },
    { to: 'g@example.com', attachments: [] },
  ]
  const batch = await flow.queue.enqueueBatch(
    rows as { to: string }[],
    { ...content, attachments: [terms] },
    {
      onReject: (_row, error, ordinal) => errors.push([ordinal, error.code, error.message]),
    },
  )
  expect(errors.map(([ordinal, code]) => [ordinal, code])).toEqual([
    [0, 'invalid_params'],
    [1, 'invalid_params'],
    [2, 'invalid_params'],
    [3, 'attachment_too_large'],
    [4, 'invalid_header'],
    [5, 'invalid_email'],
  ])
  expect(errors[0]?.[2]).toContain('attachments[0]: it is a path')
  expect(await batch.status()).toMatchObject({ total: 1, rejected: 6 })
})

test('the same rows again store nothing twice, and other bytes are another row', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const rows = (text: string) => [
    { to: 'a@example.com', attachments: [{ filename: 'a.txt', content: text }] },
  ]
  const batch = await flow.queue.enqueueBatch(rows('one'), content, { batchId: 'b' })
  await flow.queue.enqueueBatch(rows('one'), content, { batchId: 'b' })
  expect(Object.values(await redis.hgetall(keysOf(flow.name).batchFiles('b')))).toEqual(['1'])
  await expect(flow.queue.enqueueBatch(rows('two'), content, { batchId: 'b' })).rejects.toMatchObject({
    code: 'batch_conflict',
  })
  expect(await batch.status()).toMatchObject({ total: 1 })
})

test('a row whose file is gone fails alone', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const rows = rowsTo(2).map((row, index) => (index === 0 ? row : { ...row, attachments: [terms] }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  await redis.unlink(...(await redis.keys(keysOf(flow.name).file('*'))))
  await flow.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, failures: { content_missing: 1 } })
})
