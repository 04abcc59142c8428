// Batches of every kind, and what else happens to mail.

import type { Batch, FluxMail, MailQueue } from '../../../src/index.js'
import type { Sink } from '../../../src/sink/sink.js'
import { eventually } from '../../helpers/eventually.js'
import { rowsTo } from '../../helpers/mail-flow.js'
import type { WorkerProcess } from '../../helpers/worker-process.js'

const content = { subject: 'Hello {{ name }}', html: '<p>Dear {{ name }}</p>', sender: 'news@example.com' }
const troubles = ['reject', 'defer-3', 'full', 'busy', 'cut', 'lost']
const domains = ['gmail.com', 'outlook.com', 'yahoo.com']

export interface Post {
  readonly queue: MailQueue
  readonly mail: FluxMail
  readonly sink: Sink
}

/** A worker stands still with two on the wire: one is found unknown until its answer comes, one is sent again. */
export async function standStill(
  worker: WorkerProcess,
  openSecond: () => Promise<WorkerProcess>,
  { queue, mail, sink }: Post,
): Promise<WorkerProcess> {
  const batch = await queue.enqueueBatch([{ to: 'slow-0.5-late@example.com' }], content)
  const order = { subject: 'Order', body: 'Thanks.', recipients: ['slow-0.5-twice@example.com'] }
  await queue.enqueue(mail.create(order))
  await sink.waitForMessages(2)
  worker.signal('SIGSTOP')
  const second = await openSecond()
  await eventually('it is unknown', async () => (await batch.status()).unknown === 1)
  await sink.waitForMessages(3)
  worker.signal('SIGCONT')
  await eventually('it is sent', async () => (await batch.status()).sent === 1)
  return second
}

/** One is paused; the others come to an end late or never. */
export async function enqueueBatches(queue: MailQueue): Promise<Batch[]> {
  const rows = rowsTo(300, (index) => `${troubles[index] ?? 'r'}-${index}@example.com`)
  const paused = await queue.enqueueBatch(rowsTo(200), content, { batchId: 'spring-sale', route: 'slow' })
  await paused.pause()
  const survey = rowsTo(900, (index) => `r${index}@${domains[index % domains.length]}`)
  return [
    paused,
    await queue.enqueueBatch(rows.slice(0, 100), content, { batchId: 'troubled' }),
    await queue.enqueueBatch(rows, content, { batchId: 'newsletter-47', route: 'slow' }),
    await queue.enqueueBatch(rowsTo(400), content, { batchId: 'invoices', route: 'touchy' }),
    await queue.enqueueBatch(rowsTo(30), content, { batchId: 'reminders', route: 'away' }),
    await queue.enqueueBatch(rowsTo(5), content, { batchId: 'greetings', route: 'locked' }),
    await queue.enqueueBatch(survey, content, { batchId: 'survey' }),
  ]
}

/** Of single mails: in the other lane a recipient that was refused is not written to again. */
export async function replayOne(queue: MailQueue): Promise<void> {
  const lane = 'transactional'
  await eventually('it is replayed', async () => (await queue.replay({ lane })).replayed > 0)
}
