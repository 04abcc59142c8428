import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { DeliveryWorker, FluxMailError } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { startWorker } from '../helpers/worker-process.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const away = {
  redis: 'redis://127.0.0.1:1',
  relays: { main: { host: '127.0.0.1' } },
  logLevel: 'silent',
} as const

test('a second close waits for the first', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work()
  await flow.queue.enqueueBatch([{ to: 'slow-1-x@example.com' }], content)
  await flow.sink.waitForMessages(1)
  const first = worker.close()
  let firstEnded = false
  void first.then(() => (firstEnded = true))
  await worker.close()
  expect(firstEnded).toBe(true)
  expect((await flow.queue.status())[1]).toMatchObject({ sent: 1, unknown: 0 })
})

test('a worker that never found Redis is closed at once, and its start says closed', async () => {
  const worker = new DeliveryWorker({ ...away, name: freshName() })
  const start = worker.start().catch((error: unknown) => error)
  await worker.close()
  expect(await start).toBeInstanceOf(FluxMailError)
  expect(await start).toMatchObject({ code: 'closed' })
})

test('a worker that was never started can be closed', async () => {
  const worker = new DeliveryWorker({ ...away, name: freshName() })
  await worker.close()
  await expect(worker.start()).rejects.toMatchObject({ code: 'closed' })
})

test('what has not reached its final dot at the deadline goes back unspent', async () => {
  // It answers nothing to RCPT TO, so no body is ever asked for.
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.write('220 ready\r\n')
    socket.on('data', (data) => {
      if (/^EHLO/m.test(data.toString())) socket.write('250 silent\r\n')
      if (/^MAIL/m.test(data.toString())) socket.write('250 ok\r\n')
    })
    socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await using flow = await openMailFlow()
  const worker = await flow.work({ relays: { main: { host: '127.0.0.1', port } } })
  await flow.queue.enqueueBatch([{ to: 'a@example.com' }], content, { batchId: 'b' })
  await eventually('it is at the relay', () => sockets.length > 0)
  await worker.close({ deadlineMs: 50 })
  expect(await flow.queue.delivery('b.0')).toMatchObject({ state: 'waiting', attempts: 0 })
  await flow.work()
  await flow.sink.waitForMessages(1)
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
})

test('what is past its final dot at the deadline is unknown, and the worker ends', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work()
  const batch = await flow.queue.enqueueBatch([{ to: 'slow-30-x@example.com' }], content)
  await flow.sink.waitForMessages(1)
  await worker.close({ deadlineMs: 50 })
  expect(await batch.status()).toMatchObject({ sent: 0, unknown: 1, pending: 0 })
})

test('permits that were ordered and not used do not keep a process alive', async () => {
  await using flow = await openMailFlow()
  const env = {
    FLUXMAIL_NAME: flow.name,
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: flow.sink.smtpPort,
    FLUXMAIL_MAX_PER_WORKER_PER_SECOND: 0.2,
  }
  const worker = await startWorker({ env })
  await flow.queue.enqueueBatch(rowsTo(20), content)
  await flow.sink.waitForMessages(1)
  expect(await worker.stop(4_000)).toEqual({ code: 0, signal: null })
})

test('a worker waits for a Redis that is not there yet, and a process that is told to stop meanwhile ends', async () => {
  const env = {
    ...process.env,
    FLUXMAIL_REDIS_URL: 'redis://127.0.0.1:1',
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_HTTP_PORT: '0',
  }
  const child = spawn(process.execPath, ['dist/workers/deliver.js'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  expect(child.exitCode).toBeNull()
  child.kill('SIGTERM')
  expect(await once(child, 'close')).toEqual([0, null])
})
