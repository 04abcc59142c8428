import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, quickLanes } from '../helpers/mail-flow.js'
import { startWorker, type WorkerProcess } from '../helpers/worker-process.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
let folder = ''

/** Takes the first message and closes without a word; after that it knows no such user. */
async function openForgetfulRelay(): Promise<{ port: number } & AsyncDisposable> {
  let taken = false
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    let inBody = false
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.write('220 relay\r\n')
    socket.on('data', (data) => {
      const text = data.toString()
      if (inBody) {
        if (!text.endsWith('\r\n.\r\n')) return
        taken = true
        socket.destroy()
        return
      }
      for (const line of text.split('\r\n').filter((each) => each !== '')) {
        if (/^RCPT/i.test(line) && taken) socket.write('550 5.1.1 no such user\r\n')
        else if (/^DATA/i.test(line)) {
          inBody = true
          socket.write('354 go on\r\n')
        } else socket.write('250 ok\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A worker whose lock is over after a second, and whose attempts are over a second after the time for their reply. */
async function startFor(flow: MailFlow, finalReplyTimeoutMs = 3_000): Promise<WorkerProcess> {
  const config = join(folder, `${flow.name}.json`)
  const relay = { host: '127.0.0.1', port: flow.sink.smtpPort, finalReplyTimeoutMs }
  const settings = { relays: { main: relay }, lanes: quickLanes, lockMs: 1_000 }
  await writeFile(config, JSON.stringify(settings))
  return startWorker({ env: { FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config } })
}

const messageIds = (flow: MailFlow) =>
  new Set(flow.sink.messages.map(({ bytes }) => /^Message-ID: (.*)\r$/m.exec(bytes.toString())?.[1]))

test('a worker stopped inside the window and woken after another has taken over turns the unknown into sent', async () => {
  // The time for its reply is over when it wakes, and the reply has been there for long.
  await using flow = await openMailFlow()
  const seen: string[] = []
  const reader = flow.queue.outcomes({ group: 'app' })
  const reading = (async () => {
    for await (const { id, outcome, ack } of reader) {
      seen.push(`${id} ${outcome}`)
      await ack()
    }
  })()
  await using first = await startFor(flow, 1_000)
  const batch = await flow.queue.enqueueBatch([{ to: 'slow-0.5-x@example.com' }], content)
  await flow.sink.waitForMessages(1)
  first.signal('SIGSTOP')
  await using _second = await startFor(flow, 1_000)
  await eventually('it is unknown', async () => (await batch.status()).unknown === 1)
  const id = `${batch.id}.0`
  await eventually('its job is finished', async () => (await flow.queue.delivery(id)).state === 'unknown')
  expect(await batch.wait()).toMatchObject({ failures: { unknown: 1 }, errors: [{ outcome: 'unknown' }] })
  first.signal('SIGCONT')
  await eventually('it is sent', async () => (await batch.status()).sent === 1)
  expect(await batch.wait()).toMatchObject({ unknown: 0, pending: 0, resent: 0, failures: {}, errors: [] })
  expect((await flow.queue.status())[1]).toMatchObject({ accepted: 1, sent: 1, unknown: 0, pending: 0 })
  expect(await flow.queue.delivery(id)).toMatchObject({
    state: 'sent',
    lastReason: expect.stringContaining('answer of the relay came late'),
  })
  expect(await flow.queue.cancel(id)).toBe(false)
  expect(flow.sink.messages).toHaveLength(1)
  await eventually('both are told', () => seen.length === 2)
  expect(seen).toEqual([`${id} unknown`, `${id} sent`])
  await flow.queue.close()
  await reading
}, 60_000)

test('under resend the same is sent again by the other, with the same Message-ID, and the copy is counted', async () => {
  await using flow = await openMailFlow()
  await using first = await startFor(flow)
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['slow-0.5-x@example.com'] })
  const startedAt = performance.now()
  const { deliveries } = await flow.queue.enqueue(email)
  await flow.sink.waitForMessages(1)
  first.signal('SIGSTOP')
  await using _second = await startFor(flow)
  const counts = async () => (await flow.queue.status())[0]
  await eventually('it is sent', async () => (await counts())?.sent === 1, { withinMs: 20_000 })
  // Not before the first attempt could no longer be alive.
  expect(performance.now() - startedAt).toBeGreaterThan(4_000)
  expect(await counts()).toMatchObject({ accepted: 1, sent: 1, resent: 1, pending: 0 })
  expect(flow.sink.messages).toHaveLength(2)
  expect(messageIds(flow)).toEqual(new Set([email.messageId]))
  const id = deliveries[0]?.id ?? ''
  await eventually('its job is finished', async () => (await flow.queue.delivery(id)).state === 'sent')
  first.signal('SIGCONT')
  await first.stop()
  expect(await counts()).toMatchObject({ accepted: 1, sent: 1, unknown: 0, resent: 1, pending: 0 })
  expect(flow.sink.messages).toHaveLength(2)
}, 60_000)

test('an unknown that is sent again and then refused stays unknown, and is told as such', async () => {
  await using flow = await openMailFlow()
  await using relay = await openForgetfulRelay()
  await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port } } })
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const { deliveries } = await flow.queue.enqueue(email)
  await eventually('it is unknown', async () => (await flow.queue.status())[0]?.unknown === 1)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, failed: 0, pending: 0, resent: 0 })
  const id = deliveries[0]?.id ?? ''
  await eventually('its job is finished', async () => (await flow.queue.delivery(id)).state === 'unknown')
  expect((await flow.queue.delivery(id)).lastReason).toMatch(
    /may have been accepted.*550 5\.1\.1 no such user/,
  )
})

test('what is on the wire when a worker has to end stays marked: the next one sends it again as a counted copy', async () => {
  await using flow = await openMailFlow()
  const first = await flow.work()
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['slow-1-x@example.com'] })
  await flow.queue.enqueue(email)
  await flow.sink.waitForMessages(1)
  await first.close({ deadlineMs: 20 })
  await using redis = openRedis(flow)
  const [mark = ''] = await redis.keys(`{${flow.name}}:v1:mark:*`)
  expect(await redis.get(mark)).toMatch(/^[dw]:/)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, sent: 0, failed: 0, pending: 1 })
  await flow.work()
  await eventually('it is sent', async () => (await flow.queue.status())[0]?.sent === 1)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, resent: 1, pending: 0 })
  expect(flow.sink.messages).toHaveLength(2)
  expect(messageIds(flow)).toEqual(new Set([email.messageId]))
})

test('a mark is gone from memory once its delivery is settled, whatever came of it', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const rows = ['a@example.com', 'reject-b@example.com', 'defer-2-c@example.com'].map((to) => ({ to }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 2, failed: 1 })
  await eventually('no mark is left', async () => (await redis.keys(`{${flow.name}}:v1:mark:*`)).length === 0)
})
