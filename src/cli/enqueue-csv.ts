// From a CSV to acknowledged deliveries: what `fluxmail enqueue` and the demo have in common.
// It holds no row longer than the queue needs it, and tells of every row that is no delivery by its line.

import type { BatchContent } from '../content/batch-content.js'
import { EmailTemplate } from '../content/template.js'
import { FluxMailError } from '../errors.js'
import type { MailQueue } from '../mail-queue.js'
import type { Batch } from '../queue/batch.js'
import type { Row } from '../queue/row.js'
import type { Step } from '../terminal/progress.js'
import type { Recipients } from './csv/recipients.js'
import type { Rejects } from './rejects.js'

export interface CsvBatch {
  readonly queue: MailQueue
  readonly recipients: Recipients
  readonly content: BatchContent
  readonly rejects: Rejects
  readonly batchId: string
  readonly lane?: string | undefined
  readonly route?: string | undefined
  readonly signal: AbortSignal
  onProgress(step: Step): void
}

/** Enqueues every row; throws when the signal is aborted before the end. */
export async function enqueueCsv(job: CsvBatch): Promise<Batch> {
  const { queue, content, batchId, lane, route, recipients, rejects } = job
  const rows = recipients.rows((broken) => rejects.add(broken))
  const first = await rows.next()
  if (!first.done) renderOnce(content, first.value)
  return queue.enqueueBatch(watched(first, rows, job), content, {
    batchId,
    lane,
    route,
    onReject: (row, { message }) =>
      rejects.add({ line: recipients.lineOf(row), reason: message, text: addressIn(row) }),
  })
}

async function* watched(
  first: IteratorResult<Row, void>,
  rows: AsyncGenerator<Row, void, void>,
  { recipients, signal, onProgress }: CsvBatch,
): AsyncGenerator<Row, void, void> {
  let count = 0
  for (let next = first; !next.done; next = await rows.next()) {
    if (signal.aborted) throw new FluxMailError('closed', 'stopped before the last row')
    count += 1
    yield next.value
    onProgress({ share: recipients.share, count })
  }
}

/** A variable that no column fills is found before anybody is mailed. */
function renderOnce(content: BatchContent, { to: _to, ...variables }: Row): void {
  for (const part of [content.subject, content.html, content.text, content.unsubscribeUrl]) {
    if (part instanceof EmailTemplate) part.render(variables)
  }
}

function addressIn(row: unknown): string {
  const { to } = row as Row
  return typeof to === 'string' ? to : to.address
}
