import { expect, test } from 'vitest'
import { openMailFlow, quickLanes } from '../helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

test('what is suppressed after it was queued is skipped when it is claimed, with its reason', async () => {
  await using flow = await openMailFlow()
  const rows = ['ada@example.com', 'BOB@Example.com', 'eve@example.org', 'ann@example.net'].map((to) => ({
    to,
  }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  const { deliveries } = await flow.queue.enqueue(
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['Eve@EXAMPLE.org'] }),
  )
  await flow.queue.suppressions.add('bob@example.COM', { reason: 'complaint' })
  await flow.queue.suppressions.add('@example.org')
  await flow.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 2, skipped: 2, failed: 0 })
  await flow.sink.waitForMessages(2)
  expect([...flow.sink.copies().keys()].sort()).toEqual(['ada@example.com', 'ann@example.net'])
  expect(await flow.queue.delivery(`${batch.id}.1`)).toMatchObject({
    state: 'skipped',
    attempts: 1,
    lastReason: 'nothing is sent to the recipient: complaint',
  })
  const id = deliveries[0]?.id ?? ''
  await expect.poll(async () => (await flow.queue.delivery(id)).state).toBe('skipped')
})

test('in bulk a recipient that does not exist is suppressed by its bounce, and not tried again', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const first = await flow.queue.enqueueBatch([{ to: 'Reject-x@example.com' }], content)
  expect(await first.wait({ intervalMs: 20 })).toMatchObject({ failed: 1 })
  expect(await flow.queue.suppressions.get('reject-X@example.com')).toEqual({
    address: 'reject-x@example.com',
    reason: 'bounce',
    code: '550 5.1.1',
    since: expect.any(Date),
  })
  const second = await flow.queue.enqueueBatch([{ to: 'reject-x@example.com' }], content)
  expect(await second.wait({ intervalMs: 20 })).toMatchObject({ skipped: 1, failed: 0 })
  expect(flow.sink.replies.get(550)).toBe(1)
})

test.each([
  ['bulk', false],
  ['transactional', undefined],
] as const)('in %s with suppressOnBounce %s a bounce suppresses nobody', async (lane, suppressOnBounce) => {
  await using flow = await openMailFlow()
  const rule = quickLanes[lane]
  if (rule === undefined) throw new Error('there is no such lane')
  await flow.work({ lanes: { [lane]: { ...rule, suppressOnBounce } } })
  const batch = await flow.queue.enqueueBatch([{ to: 'reject-x@example.com' }], content, { lane })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ failed: 1 })
  expect(await flow.queue.suppressions.has('reject-x@example.com')).toBe(false)
})

test('a mailbox that is full suppresses nobody', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [10], jitter: 0, maxAgeMs: 60_000, maxAttempts: 2 }
  await flow.work({ lanes: { bulk: { retry, unknown: 'hold' } } })
  const batch = await flow.queue.enqueueBatch([{ to: 'full-x@example.com' }], content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ failed: 1 })
  expect(await flow.queue.suppressions.has('full-x@example.com')).toBe(false)
})

test('added, looked up, listed and removed, in the normal form of the wire', async () => {
  await using flow = await openMailFlow()
  const { suppressions } = flow.queue
  const expiresAt = new Date(Date.now() + 60_000)
  expect(await suppressions.add('Ada <Ada@Bücher.example>', { reason: 'manual', expiresAt })).toMatchObject({
    address: 'ada@xn--bcher-kva.example',
    expiresAt,
  })
  await suppressions.add('@Münze.example', { reason: 'closed' })
  await suppressions.add('old@example.com', { expiresAt: new Date(1) })
  expect(await suppressions.has('ADA@xn--bcher-kva.example')).toBe(true)
  expect(await suppressions.has('any@münze.example')).toBe(true)
  expect(await suppressions.has('@münze.example')).toBe(true)
  expect(await suppressions.has('old@example.com')).toBe(false)
  expect(await suppressions.has('bob@bücher.example')).toBe(false)
  const listed = async () => {
    const found: string[] = []
    for await (const { address } of suppressions.list()) found.push(address)
    return found.sort()
  }
  expect(await listed()).toEqual(['@xn--mnze-0ra.example', 'ada@xn--bcher-kva.example'])
  expect(await suppressions.remove('old@example.com')).toBe(false)
  expect(await suppressions.remove('ada@bücher.example')).toBe(true)
  expect(await listed()).toEqual(['@xn--mnze-0ra.example'])
})

test('what is no address is refused with what is wrong', async () => {
  await using flow = await openMailFlow()
  const { suppressions } = flow.queue
  await expect(suppressions.add('a@x.io, b@y.io')).rejects.toMatchObject({ code: 'invalid_email' })
  await expect(suppressions.add('@')).rejects.toThrow(/give it as '@example.com'/)
  await expect(suppressions.add('a@x.io', { reason: '' })).rejects.toThrow(/reason: must not be empty/)
  await expect(suppressions.importMany('a@x.io' as never)).rejects.toMatchObject({ code: 'invalid_params' })
})

test('many are imported, wrong ones reported, and the same ones replaced', async () => {
  await using flow = await openMailFlow()
  const { suppressions } = flow.queue
  async function* entries() {
    for (let index = 0; index < 2_500; index += 1) yield `U${index}@example.com`
    yield 'nonsense'
    yield { address: '@example.org', reason: 'closed', since: new Date(5) }
    yield { address: 'x@example.com', oops: 1 } as never
    yield null as never
  }
  const rejected: number[] = []
  const onReject = (_entry: unknown, _error: Error, index: number) => rejected.push(index)
  const first = await suppressions.importMany(entries(), { reason: 'unsubscribed', onReject })
  expect(first).toEqual({ added: 2_501, replaced: 0, rejected: 3 })
  expect(rejected).toEqual([2_500, 2_502, 2_503])
  expect(await suppressions.importMany(entries(), {})).toEqual({ added: 0, replaced: 2_501, rejected: 3 })
  expect(await suppressions.get('u7@example.com')).toMatchObject({ reason: 'manual' })
  expect(await suppressions.get('a@example.org')).toEqual({
    address: '@example.org',
    reason: 'closed',
    since: new Date(5),
  })
})
