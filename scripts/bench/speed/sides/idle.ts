// How long a transactional mail takes from the call of enqueue to the moment before the relay's 250, by one clock, on a
// system that has nothing else to do.

import { setTimeout as sleep } from 'node:timers/promises'
import { openPrivateRedis } from '../../../../src/cli/private-redis.js'
import { type Email, FluxMail, MailQueue } from '../../../../src/index.js'
import { openSink } from '../../../../src/sink/sink.js'
import { WrongResult } from '../../command.js'
import { percentile } from '../../window.js'
import { newsletter } from '../fixture/mail.mjs'
import { queueName, startOurs } from '../ours.js'
import type { Bench, Reading, Side } from '../row.js'

const PER_SECOND = 200
const SECONDS = { quick: 3, usual: 20 }
const WARM_UP_SECONDS = { quick: 2, usual: 10 }
const LAST_MS = 60_000

export const idle: Side = { name: 'FluxMail, 200 a second', run: measure }

async function measure({ quick, signal, messages = Number.POSITIVE_INFINITY }: Bench): Promise<Reading> {
  const pace = quick ? 'quick' : 'usual'
  const warmUp = Math.min(messages, WARM_UP_SECONDS[pace] * PER_SECOND)
  const count = warmUp + Math.min(messages, SECONDS[pace] * PER_SECOND)
  const answered: number[] = []
  await using redis = await openPrivateRedis()
  await using sink = await openSink({
    httpPort: false,
    witness: ({ kind }) => {
      if (kind === 'answered') answered.push(performance.now())
    },
  })
  await using worker = await startOurs({ redis: redis.url, port: sink.smtpPort })
  await using queue = new MailQueue({ redis: redis.url, name: queueName })
  const stop = AbortSignal.any([signal, worker.lost])
  const asked = await enqueueEvenly(queue, count, stop)
  await sink.waitForMessages(count, AbortSignal.any([stop, AbortSignal.timeout(LAST_MS)])).catch(() => {
    stop.throwIfAborted()
    throw new WrongResult(`${idle.name}: ${sink.messages.length} of ${count} messages arrived`)
  })
  // Messages are named by their recipients, and come in another order than they went.
  const order = sink.messages.map(({ to }) => Number(/\d+/.exec(to.join())?.[0]))
  if (new Set(order).size !== count)
    throw new WrongResult(`${idle.name}: a message is missing or there twice`)
  const times = order.map((number, index) => (answered[index] ?? Number.NaN) - (asked[number] ?? Number.NaN))
  const timed = times.filter((_, index) => (order[index] ?? 0) >= warmUp)
  return { median: percentile(timed, 0.5), p99: percentile(timed, 0.99) }
}

/** When each was asked for: milliseconds of `performance.now()`. */
async function enqueueEvenly(queue: MailQueue, count: number, signal: AbortSignal): Promise<number[]> {
  const asked: number[] = []
  const receipts: Promise<unknown>[] = []
  const start = performance.now()
  for (let number = 0; number < count; number += 1) {
    const wait = start + (1_000 * number) / PER_SECOND - performance.now()
    if (wait > 0) await sleep(wait, undefined, { signal })
    asked.push(performance.now())
    const receipt = queue.enqueue(mailTo(number))
    receipt.catch(() => undefined)
    receipts.push(receipt)
  }
  await Promise.all(receipts)
  return asked
}

const mailer = new FluxMail({ host: '127.0.0.1' })

function mailTo(number: number): Email {
  const body = 'Your code is 4711.\n'
  const recipients = [`reader.${number}@example.com`]
  return mailer.create({ sender: newsletter.from, recipients, subject: 'Your code', body })
}
