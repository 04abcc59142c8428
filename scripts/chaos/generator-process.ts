// Enqueues emails and batches as the seed says, and writes a receipt for each that was acknowledged.
// What was not acknowledged is enqueued again, under the same key, until it is: that is what a caller does.

import { Redis } from 'ioredis'
import { type Email, FluxMail, FluxMailError, MailQueue } from '../../src/index.js'
import { bodyOf, subjectOf, tokenOf } from './letter.js'
import { createRandom } from './random.js'
import { openRecorder, type StopOrder } from './records.js'
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
// It waits for a Redis that is away.
const look = new Redis(redis, { maxRetriesPerRequest: null })
look.on('error', () => undefined)
const mail = new FluxMail({ host: '127.0.0.1', port: 1, sender })
let stopping = false
/** Batches that are acknowledged and were not stopped, oldest first, with their rows. */
const batches = new Map<string, number>()
const stops: Promise<void>[] = []
let number = 0

process.on('message', (message: { stop: true } | StopOrder) => {
  if ('stop' in message) stopping = true
  else stops.push(stopOne(message))
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

/** One whom everybody refuses is written to again and again: where a bounce suppresses it, the rest is skipped. */
const bounced = 'reject-again@example.com'

function recipientOf(token: string, index: number): string {
  const order = orderOf()
  return order === 'reject-' && index === 0 ? bounced : `${order}r${index}@${token}.example.com`
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
  batches.set(batchId, rows.length)
}

/** Of those of which something is pending, one of which something is out; any where there is none. */
async function stopOne(order: StopOrder): Promise<void> {
  let chosen: string | undefined
  for (const id of [...batches.keys()]) {
    const { total, pending } = await untilAcknowledged(() => queue.batch(id).status())
    if (pending === 0) batches.delete(id)
    else chosen = id
    if (pending > 0 && pending < total) break
  }
  const rows = batches.get(chosen ?? '')
  if (chosen === undefined || rows === undefined) return
  batches.delete(chosen)
  await stopBatch(chosen, rows, order)
}

async function stopBatch(batchId: string, rows: number, { how, forMs }: StopOrder): Promise<void> {
  const batch = queue.batch(batchId)
  await untilAcknowledged(() => (how === 'paused' ? batch.pause() : batch.cancel()))
  const from = Date.now()
  const stopped = { kind: 'stopped', how, batch: batchId, from, marked: await markedOf(batchId, rows) }
  if (how === 'cancelled') return recorder.writeSurely(stopped)
  await pause(forMs)
  recorder.writeSurely({ ...stopped, until: Date.now() })
  await untilAcknowledged(() => batch.resume())
}

/** At one instant: what is settled, and what has its wire mark. One that is deferred may not go out. */
async function markedOf(batchId: string, rows: number): Promise<string[]> {
  const ids = Array.from({ length: rows }, (_, ordinal) => `${batchId}.${ordinal}`)
  const marked = `
    local found = {}
    for index = 2, #KEYS do
      local mark = redis.call('GET', KEYS[index])
      local isMarked = mark and string.sub(mark, 1, 2) ~= 'd:'
      if isMarked or redis.call('GETBIT', KEYS[1], index - 2) == 1 then found[#found + 1] = ARGV[index - 1] end
    end
    return found`
  const own = `{${name}}:v1`
  const looked = [`${own}:batch:${batchId}:settled`, ...ids.map((id) => `${own}:mark:${id}`)]
  return (await look.eval(marked, looked.length, ...looked, ...ids)) as string[]
}

process.send?.({ ready: true })
while (!stopping) {
  await (random.percent(25) ? enqueueBatch() : enqueueEmail())
  await pause(random.whole(50, 250))
}
await Promise.all(stops)
look.disconnect()
await queue.close()
await mail.close()
recorder.close()
process.exit(0)
