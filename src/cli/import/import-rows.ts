// From a file of rows to acknowledged deliveries: what `fluxmail enqueue` and the demo have in common.
// It holds no row longer than the queue needs it, and gives the same rows in the same order whenever it runs.

import type { BatchContent } from '../../content/batch-content.js'
import { EmailTemplate } from '../../content/template.js'
import { FluxMailError } from '../../errors.js'
import type { MailQueue } from '../../mail-queue.js'
import type { BatchOptions } from '../../queue/enqueue-batch.js'
import type { Row } from '../../queue/row.js'
import type { Step } from '../../terminal/progress.js'
import type { Rejects } from '../rejects.js'
import { BrokenRow } from './item.js'
import { LinesOfRows } from './lines-of-rows.js'
import { addressIn, type RowCheck } from './row-check.js'
import type { RowFile } from './row-file.js'

export interface RowReading {
  readonly file: RowFile
  readonly check: RowCheck
  readonly rejects: Rejects
  readonly signal: AbortSignal
  /** `count` is of rows that were read. */
  onProgress(step: Step): void
}

export interface RowImport extends RowReading {
  readonly queue: MailQueue
  readonly content: BatchContent
  readonly batch: Omit<BatchOptions, 'onReject'>
}

/** A row with the line on which it begins. */
export interface ReadRow {
  readonly line: number
  readonly row: Row | BrokenRow
}

/** Enqueues every row; throws when the signal is aborted before the end, and when there are too many rejects. */
export async function importRows(job: RowImport): Promise<void> {
  const { queue, content, batch, rejects } = job
  const lines = new LinesOfRows()
  const blocks = readRows(job)
  const first = await renderFirst(blocks, content)
  // What stands in a broken row's place has no `to`, which is why the queue rejects it.
  await queue.enqueueBatch(numbered(first, blocks, lines) as AsyncIterable<Row>, content, {
    ...batch,
    onReject: (row, { message }, ordinal) => {
      if (row instanceof BrokenRow) return
      rejects.add({ line: lines.of(ordinal), reason: message, text: addressIn(row as Row) })
    },
  })
}

/** The rows of a file as they are checked, block by block, those that are broken in their places; repeated ones are left out. */
export async function* readRows(reading: RowReading): AsyncGenerator<ReadRow[], void, void> {
  const { file, check, rejects, signal, onProgress } = reading
  let count = 0
  for (let items = await file.read(); items !== undefined; items = await file.read()) {
    if (signal.aborted) throw new FluxMailError('closed', 'stopped before the last row')
    const rows: ReadRow[] = []
    for (const item of items) {
      const row = check.check(item)
      if (row === undefined) continue
      if (row instanceof BrokenRow) rejects.add(row)
      rows.push({ line: item.line, row })
    }
    count += items.length
    yield rows
    const { share } = file
    onProgress(share === undefined ? { count } : { share, count })
  }
}

/** A variable that no column fills is found before anybody is mailed. Resolves to what was read for it. */
async function renderFirst(
  blocks: AsyncGenerator<ReadRow[], void, void>,
  content: BatchContent,
): Promise<ReadRow[]> {
  const taken: ReadRow[] = []
  for (let next = await blocks.next(); !next.done; next = await blocks.next()) {
    taken.push(...next.value)
    const first = next.value.find(({ row }) => !(row instanceof BrokenRow))
    if (first === undefined || first.row instanceof BrokenRow) continue
    renderOnce(content, first.row)
    break
  }
  return taken
}

function renderOnce(content: BatchContent, { to: _to, ...variables }: Row): void {
  for (const part of [content.subject, content.html, content.text, content.unsubscribeUrl]) {
    if (part instanceof EmailTemplate) part.render(variables)
  }
}

async function* numbered(
  first: readonly ReadRow[],
  rest: AsyncGenerator<ReadRow[], void, void>,
  lines: LinesOfRows,
): AsyncGenerator<Row | BrokenRow, void, void> {
  let rows: readonly ReadRow[] = first
  for (;;) {
    for (const { line, row } of rows) {
      lines.add(line)
      yield row
    }
    const next = await rest.next()
    if (next.done) return
    rows = next.value
  }
}
