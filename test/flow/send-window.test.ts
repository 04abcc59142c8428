import { expect, test } from 'vitest'
import { MailQueue, type SendWindow, systemClock } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow } from '../helpers/mail-flow.js'

const HOUR_MS = 3_600_000
const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const rows = [{ to: 'a@example.com' }, { to: 'b@example.com' }]
const timeAt = (at: number) => new Date(at).toISOString().slice(11, 16)

/** Two hours by the clock of London's winter, that begin so many hours from now. */
function hoursFrom(hours: number): SendWindow {
  const opens = Date.now() + hours * HOUR_MS
  return { from: timeAt(opens), to: timeAt(opens + 2 * HOUR_MS), timeZone: 'UTC' }
}

test('inside its hours a batch is sent', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const batch = await flow.queue.enqueueBatch(rows, content, { sendWindow: hoursFrom(-1) })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 2 })
})

test('outside its hours an email waits for them and spends nothing', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const { deliveries } = await flow.queue.enqueue(email, { sendWindow: hoursFrom(3) })
  const record = await flow.queue.delivery(deliveries[0]?.id ?? '')
  expect(record).toMatchObject({ state: 'scheduled', attempts: 0 })
  const untilMs = (record.nextAttemptAt?.getTime() ?? 0) - Date.now()
  expect(untilMs).toBeGreaterThan(2.9 * HOUR_MS)
  expect(untilMs).toBeLessThan(3.1 * HOUR_MS)
})

test('what a worker finds outside its hours is held until they begin, and spends nothing', async () => {
  await using flow = await openMailFlow()
  const hours = hoursFrom(3)
  // To this one they have begun.
  const clock = { ...systemClock, now: () => systemClock.now() + 4 * HOUR_MS }
  await using ahead = new MailQueue({ redis: flow.redisUrl, name: flow.name, clock })
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const { deliveries } = await ahead.enqueue(email, { sendWindow: hours })
  await flow.work()
  const id = deliveries[0]?.id ?? ''
  const held = await eventually('it is held', async () => {
    const record = await flow.queue.delivery(id)
    return record.state === 'held' ? record : undefined
  })
  expect(held).toMatchObject({
    attempts: 0,
    lastReason: expect.stringMatching(/^outside_window it is sent from /),
  })
  expect((held.nextAttemptAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(2.9 * HOUR_MS)
  expect(flow.sink.messages).toHaveLength(0)
})

test.each<[string, object, RegExp]>([
  ['a day that is none', { days: ['monday'] }, /sendWindow\.days\.0: must be of mon tue wed/],
  ['no day', { days: [] }, /sendWindow\.days: must name at least one day; leave it out/],
  ['a time that is none', { from: '9:00' }, /sendWindow\.from: must be a time as HH:MM/],
  ['24:00 to begin with', { from: '24:00' }, /sendWindow\.from: must be a time as HH:MM, 00:00 to 23:59/],
  ['the same time twice', { from: '09:00', to: '09:00' }, /sendWindow\.to: is the same time as from/],
  ['a time zone that is none', { timeZone: 'Berlin' }, /sendWindow\.timeZone: must be a time zone such as/],
  ['no time zone', { timeZone: undefined }, /sendWindow\.timeZone: is missing/],
  ['another word for one', { zone: 'UTC' }, /sendWindow\.zone: there is no such option/],
])('a window with %s is refused with what is wrong', async (_what, wrong, message) => {
  await using flow = await openMailFlow()
  const sendWindow = { from: '09:00', to: '17:00', timeZone: 'Europe/Berlin', ...wrong } as SendWindow
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  for (const call of [
    () => flow.queue.enqueue(email, { sendWindow }),
    () => flow.queue.enqueueBatch(rows, content, { sendWindow }),
  ]) {
    await expect(call()).rejects.toMatchObject({
      code: 'invalid_params',
      message: expect.stringMatching(message),
    })
  }
})

test('the same key with other hours is another email', async () => {
  await using flow = await openMailFlow()
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const enqueue = (sendWindow: SendWindow) => flow.queue.enqueue(email, { idempotencyKey: 'k', sendWindow })
  await enqueue(hoursFrom(3))
  await expect(enqueue(hoursFrom(5))).rejects.toMatchObject({ code: 'idempotency_conflict' })
})
