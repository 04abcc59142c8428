import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

/** Probes of a refused login are seconds apart. */
const patient = { withinMs: 60_000 }

test('while the relay refuses the password all mail waits, and is sent once when it is right again', async () => {
  const auth = { username: 'news', password: 'changed at the relay' }
  await using flow = await openMailFlow({ auth })
  const relay = { host: '127.0.0.1', port: flow.sink.smtpPort, username: 'news', password: 'right' }
  await flow.work({ relays: { main: relay } })
  const batch = await flow.queue.enqueueBatch(rowsTo(20), content)
  const { deliveries } = await flow.queue.enqueue(
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['one@example.com'] }),
  )
  const single = deliveries[0]?.id ?? ''
  await eventually(
    'a refused login is why it waits',
    async () => {
      const { lastReason } = await flow.queue.delivery(single)
      return lastReason?.includes('535')
    },
    patient,
  )
  expect(await flow.queue.batch(batch.id).status()).toMatchObject({ failed: 0, sent: 0, unknown: 0 })
  expect(flow.sink.messages).toEqual([])

  auth.password = 'right'
  const result = await batch.wait({ intervalMs: 50 })
  expect(result).toMatchObject({ total: 20, sent: 20, failed: 0, unknown: 0, skipped: 0 })
  await eventually(
    'the single one was sent',
    async () => {
      const { state, attempts } = await flow.queue.delivery(single)
      return state === 'sent' && attempts === 1
    },
    patient,
  )
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
  expect(await flow.queue.delivery(`${batch.id}.7`)).toMatchObject({ state: 'sent', attempts: 1 })
}, 120_000)
