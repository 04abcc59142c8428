import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'
import { letter, openPost } from './received.js'

const post = openPost()
const deep = { ...letter, htmlBody: true, body: '<div>'.repeat(20_000) }

test('HTML that is nested without end is refused with a code when it is sent, shown or turned into bytes', async () => {
  const email = post.mailer().create(deep)
  await expect(email.send()).rejects.toMatchObject({ name: 'FluxMailError' })
  await expect((async () => email.display())()).rejects.toMatchObject({ code: 'display_failed' })
  await expect((async () => email.toMime())()).rejects.toMatchObject({ name: 'FluxMailError' })
})

test('HTML that is nested without end fails its own delivery in a worker, once, and the next one is sent', async () => {
  await using flow = await openMailFlow()
  const { deliveries } = await flow.queue.enqueue(flow.mail.create(deep))
  await flow.work()
  await flow.queue.enqueue(flow.mail.create({ ...letter, recipients: ['bob@example.com'] }))
  await flow.sink.waitForMessages(1)
  expect(await failureOf(flow, deliveries[0]?.id)).toContain('the HTML')
  expect(flow.sink.messages.map(({ to }) => to)).toEqual([['bob@example.com']])
})

test.each(['no JSON', '[]', '{"v":1}', 'null'])(
  'a content that became %j fails its delivery',
  async (json) => {
    await using flow = await openMailFlow()
    await using redis = openRedis(flow)
    const { deliveries } = await flow.queue.enqueue(flow.mail.create(letter))
    for (const key of await redis.keys(`{${flow.name}}:v1:content:*`)) await redis.hset(key, 'json', json)
    await flow.work()
    // Until its job has been moved, the ledger's words for it stand.
    expect(await failureOf(flow, deliveries[0]?.id)).toMatch(/invalid[_ ]payload/)
  },
)

/** What is known of a delivery once it has failed, as JSON. */
async function failureOf(flow: MailFlow, id = ''): Promise<string> {
  const record = await eventually('it has failed', async () => {
    const known = await flow.queue.delivery(id)
    return known.state === 'failed' && known
  })
  return JSON.stringify(record)
}
