import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type Cutter, openCutter } from './faults-cutter.js'
import { content, finalReplyTimeoutMs, lockMs, messageIds, openStage, readUnheard } from './window-stage.js'

const rows = [{ to: 'a@example.com' }]

test('a worker killed between the 250 and its record leaves an unknown under hold, and one copy', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow } = stage
  await using first = await stage.work('held way')
  const read = readUnheard(stage)
  const batch = await flow.queue.enqueueBatch(rows, content)
  await read
  await first.kill()
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 0, unknown: 1, failed: 0, pending: 0 })
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
}, 60_000)

test('a worker killed between the 250 and its record: under resend there is a second copy of the same Message-ID, once the first attempt cannot live any more', async () => {
  await using stage = await openStage({ unknown: 'resend' })
  const { flow } = stage
  await using first = await stage.work('held way')
  const read = readUnheard(stage)
  const batch = await flow.queue.enqueueBatch(rows, content)
  await read
  await first.kill()
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, failed: 0, pending: 0 })
  expect(flow.sink.copies().get('a@example.com')).toBe(2)
  expect(messageIds(flow)).toHaveLength(1)
  const [one, two] = flow.sink.messages.map(({ receivedAt }) => receivedAt)
  expect((two ?? 0) - (one ?? 0)).toBeGreaterThanOrEqual(finalReplyTimeoutMs + lockMs - 100)
}, 60_000)

test.each(['hold', 'resend'] as const)(
  'a worker killed before its mark costs nothing and repeats nothing (%s)',
  async (unknown) => {
    await using stage = await openStage({ unknown })
    const { flow } = stage
    const first = await stage.work()
    const begun = stage.at('begun', () => first.signal('SIGKILL'))
    const batch = await flow.queue.enqueueBatch(rows, content)
    await begun
    await first.exited
    await using _second = await stage.work()
    expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, pending: 0 })
    expect(flow.sink.copies().get('a@example.com')).toBe(1)
  },
  60_000,
)

test('a worker killed in the middle of a large body costs nothing and repeats nothing', async () => {
  let kill: () => unknown = () => undefined
  const cutters: Cutter[] = []
  const relayPort = async (port: number) => {
    const cutter = await openCutter(port, 'mid-body', () => kill())
    cutters.push(cutter)
    return cutter.port
  }
  await using stage = await openStage({ unknown: 'hold', relayPort })
  const { flow } = stage
  await using first = await stage.work()
  kill = () => first.signal('SIGKILL')
  const attachments = [{ filename: 'large.bin', content: Buffer.alloc(15_000_000, 1) }]
  const batch = await flow.queue.enqueueBatch(rows, { ...content, attachments })
  await first.exited
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, pending: 0 })
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
  await Promise.all(cutters.map((cutter) => cutter[Symbol.asyncDispose]()))
}, 60_000)

test.each(['hold', 'resend'] as const)(
  'a worker stopped before its mark sends nothing when it wakes after another has taken over (%s)',
  async (unknown) => {
    await using stage = await openStage({ unknown })
    const { flow } = stage
    await using first = await stage.work()
    const begun = stage.at('begun', () => first.signal('SIGSTOP'))
    const batch = await flow.queue.enqueueBatch(rows, content)
    const { connection } = await begun
    await using _second = await stage.work()
    expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, pending: 0 })
    expect(flow.sink.messages.map((message) => message.connection)).not.toContain(connection)
    const closed = stage.at('closed', undefined, connection)
    first.signal('SIGCONT')
    await closed
    expect(await batch.status()).toMatchObject({ sent: 1, unknown: 0, pending: 0 })
    expect(flow.sink.copies().get('a@example.com')).toBe(1)
  },
  60_000,
)

test('a worker stopped inside the window and woken after another has looked: hold sends nothing twice', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow } = stage
  await using first = await stage.work()
  const whole = stage.at('whole', () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rows, content)
  const { connection } = await whole
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ unknown: 1, pending: 0 })
  const closed = stage.at('closed', undefined, connection)
  first.signal('SIGCONT')
  await closed
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
}, 60_000)

test('a worker stopped inside the window: resend has waited, sends once more with the same Message-ID, and counts it once', async () => {
  await using stage = await openStage({ unknown: 'resend' })
  const { flow } = stage
  await using first = await stage.work()
  const whole = stage.at('whole', () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rows, content)
  const { connection } = await whole
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, pending: 0 })
  const closed = stage.at('closed', undefined, connection)
  first.signal('SIGCONT')
  await closed
  expect(flow.sink.copies().get('a@example.com')).toBe(2)
  expect(messageIds(flow)).toHaveLength(1)
  const [one, two] = flow.sink.messages.map(({ receivedAt }) => receivedAt)
  expect((two ?? 0) - (one ?? 0)).toBeGreaterThanOrEqual(finalReplyTimeoutMs + lockMs - 100)
  expect(await batch.status()).toMatchObject({ sent: 1, unknown: 0, pending: 0 })
}, 60_000)

test('a worker stopped after the reply and before its record: hold has one copy, whoever wakes', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow } = stage
  await using first = await stage.work('held way')
  const read = readUnheard(stage, () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rows, content)
  await read
  await using _second = await stage.work()
  await eventually('the second one has looked', async () => (await batch.status()).pending === 0)
  expect(await batch.status()).toMatchObject({ unknown: 1, sent: 0 })
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
}, 60_000)

test('lost recipients under hold are unknown and have one copy each, however long one waits', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow } = stage
  await using _worker = await stage.work()
  const lost = Array.from({ length: 20 }, (_, index) => ({ to: `lost-${index}@example.com` }))
  const batch = await flow.queue.enqueueBatch([...lost, ...rows], content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 20, failed: 0, pending: 0 })
  const copies = [...flow.sink.copies().values()]
  expect(copies).toEqual(copies.map(() => 1))
  expect(copies).toHaveLength(21)
}, 60_000)
