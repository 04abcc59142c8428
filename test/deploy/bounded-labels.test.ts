import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, quickLanes } from '../helpers/mail-flow.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'
import { strangeLabels } from './exposition/labels.js'
import { seriesIn } from './exposition/series.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const DELIVERIES = 500

const word = fc.stringMatching(/^[a-z][a-z0-9]{7,15}$/)
/** What a relay may say to RCPT and to a body: any code that SMTP has, and a text that names what it likes. */
const reply = fc
  .tuple(fc.integer({ min: 200, max: 599 }), fc.constantFrom('', '5.1.1 ', '4.2.2 ', '5.9.9 '), word)
  // Those are about the relay, which would be left alone for a while.
  .filter(([code]) => ![220, 221, 354, 421, 454, 530, 534, 535, 538].includes(code))
  .map(([code, enhanced, text]) => `${code} ${enhanced}${text} <${text}@${text}.example>`)

test('500 deliveries to 500 domains, with whatever ids and replies, leave no label without a closed set', async () => {
  const [domains, ids] = [word, word].map((each) => [...new Set(fc.sample(each, DELIVERIES))])
  const replies = fc.sample(reply, 2 * DELIVERIES)
  const strange = ['999 what', '12', 'no', '', '25 0', '250', '1000 many', '-50 x']
  let told = 0
  const next = () => replies[told++ % replies.length]
  await using moody = await openScriptedRelay({
    answer: (command) => (command.startsWith('RCPT') ? next() : undefined),
    answerBody: next,
  })
  await using odd = await openScriptedRelay({
    answer: (command, { index }) =>
      command.startsWith('MAIL') ? strange[index % strange.length] || '0' : undefined,
  })
  await using flow = await openMailFlow()
  const at = { host: '127.0.0.1', timeoutMs: 1_000 }
  const relays = { main: { ...at, port: moody.port }, odd: { ...at, port: odd.port } }
  const worker = await flow.work({ relays, routes: { default: ['main'], odd: ['odd'] }, logLevel: 'silent' })
  const to = (domain: string | undefined) => `${domain}@${domain}.example`
  const rows = domains?.map((domain) => ({ to: to(domain), name: domain })) ?? []
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: `batch-${ids?.[0]}` })
  for (const id of ids?.slice(0, 30) ?? []) {
    const email = flow.mail.create({
      subject: `${id}`,
      body: 'x',
      recipients: [to(id)],
      messageId: `<${id}@x.example>`,
    })
    await flow.queue.enqueue(email, { route: 'odd', idempotencyKey: `key-${id}` })
  }
  await eventually('most of them ended', async () => (await batch.status()).pending < DELIVERIES / 4, {
    withinMs: 90_000,
  })
  const text = await worker.metrics.expose()
  const all = seriesIn(text)
  const lanes = Object.keys(quickLanes)
  expect(strangeLabels(all, { lanes, relays: Object.keys(relays), batches: [batch.id] })).toEqual([])
  const said = [
    ...(domains ?? []),
    ...(ids ?? []).slice(1),
    ...replies.map((each) => /<(\w+)@/.exec(each)?.[1] ?? '?'),
  ]
  expect(said.filter((each) => text.includes(each))).toEqual([])
  expect(told).toBeGreaterThan(DELIVERIES)
  expect(all.some(({ labels }) => labels.code === 'other')).toBe(true)
}, 120_000)
