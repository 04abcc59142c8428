// Enqueues emails and batches as the seed says, and writes a receipt for each that was acknowledged.
// What was not acknowledged is enqueued again, under the same key, until it is: that is what a caller does.

import { type Email, FluxMail, FluxMailError, MailQueue } from '../../src/index.js'
import { bodyOf, subjectOf, tokenOf } from './letter.js'
import { createRandom } from './random.js'
import { openRecorder } from './records.js'
import { type Lane, lanes } from './settings.js'

const [settings = '{}'] = process.argv.slice(2)
const { redis, name, seed, path } = JSON.parse(settings) as {
  redis: string
  name: string
  seed: number
  path: string
}

const sender = 'news@example.com'
const AGAIN_MS = 200
/** Of 100 acknowledged enqueues, so many are made once more: the receipt has to be the same. */
const REPEATED = 10
const recorder = openRecorder(path)
const random = createRandom(seed, 'generator')
const queue = new MailQueue({ redis, name })
const mail = new FluxMail({ host: '127.0.0.1', port: 1, sender })
let stopping = false
let number = 0

process.on('message', () => {
  stopping = true
})
process.on('disconnect', () => process.exit(0))

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Of 100 recipients: most are plain, some order the sink to misbehave. */
function orderOf(): string {
  const chance = random.whole(1, 100)
  if (chance <= 6) return 'defer-1-'
  if (chance <= 10) return 'reject-'
  if (chance <= 14) return 'slow-0.3-'
  if (chance <= 15) return 'slow-2-'
  if (chance <= 16) return 'lost-'
  if (chance <= 17) return 'cut-'
  if (chance <= 18) return 'full-'
  return ''
}

function recipientOf(token: string, index: number): string {
  return `${orderOf()}r${index}@${token}.example.com`
}

/** Most bodies go out in one piece; those of 4000 lines are over 64 kB and hold their end back. */
function linesOf(): number {
  return random.percent(8) ? 4_000 : random.whole(5, 60)
}

async function untilAcknowledged<T>(enqueue: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await enqueue()
    } catch (error) {
      const again = error instanceof FluxMailError && /^queue_/.test(error.code)
      if (!again) throw error
      await pause(AGAIN_MS)
    }
  }
}

async function enqueueEmail(): Promise<void> {
  const token = tokenOf(seed, ++number)
  const letter = { token, lines: linesOf() }
  const lane: Lane = random.pick(lanes)
  const recipients = Array.from({ length: random.whole(1, 3) }, (_, index) => recipientOf(token, index))
  const email: Email = mail.create({ subject: subjectOf(token), body: bodyOf(letter), recipients })
  recorder.write({ kind: 'intent', ...letter, recipients, lane })
  const enqueue = () => untilAcknowledged(() => queue.enqueue(email, { lane, idempotencyKey: token }))
  const acknowledge = async () =>
    recorder.writeSurely({ kind: 'acknowledged', lane, deliveries: (await enqueue()).deliveries })
  await acknowledge()
  if (random.percent(REPEATED)) await acknowledge()
}

async function enqueueBatch(): Promise<void> {
  const lane: Lane = random.percent(75) ? 'bulk' : 'transactional'
  const lines = random.whole(5, 60)
  const tokens = Array.from({ length: random.whole(5, 60) }, () => tokenOf(seed, ++number))
  const rows = tokens.map((token) => ({ to: recipientOf(token, 0), token }))
  for (const { to, token } of rows) recorder.write({ kind: 'intent', token, lines, recipients: [to], lane })
  const template = { token: '{{ token }}', lines }
  const content = { sender, subject: subjectOf(template.token), text: bodyOf(template) }
  const batchId = `b${seed}-${number}`
  await untilAcknowledged(() => queue.enqueueBatch(rows, content, { batchId, lane }))
  const deliveries = rows.map(({ to }, ordinal) => ({ id: `${batchId}.${ordinal}`, recipient: to }))
  recorder.writeSurely({ kind: 'acknowledged', lane, batch: batchId, deliveries })
}

process.send?.({ ready: true })
while (!stopping) {
  await (random.percent(25) ? enqueueBatch() : enqueueEmail())
  await pause(random.whole(50, 250))
}
await queue.close()
await mail.close()
recorder.close()
process.exit(0)
