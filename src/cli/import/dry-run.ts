// `fluxmail enqueue --dry-run`: every row checked and rendered as a worker would, three of them shown. No Redis, no mail.

import { type BatchContent, bundleBatchContent } from '../../content/batch-content.js'
import { type ContentParts, compileParts } from '../../content/content-parts.js'
import { textOfBody } from '../../content/fixed-text.js'
import { readFileLimited } from '../../content/read-file.js'
import { FluxMailError } from '../../errors.js'
import { defaultMaxAttachmentBytes } from '../../mail-queue.js'
import { formatMailbox, parseMailbox } from '../../message/address.js'
import { parseRow, type Row } from '../../queue/row.js'
import { type ReadRow, type RowReading, readRows } from './import-rows.js'
import { BrokenRow } from './item.js'
import { addressIn } from './row-check.js'
import { type Sample, Samples } from './samples.js'

/** What one recipient would get. */
export interface RenderedSample {
  readonly line: number
  readonly why: string
  readonly to: string
  readonly subject: string
  readonly unsubscribeUrl?: string
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** Names of the files of this row and of all rows. */
  readonly attachments: readonly string[]
  readonly text: string
}

export interface DryRun {
  readonly deliveries: number
  readonly samples: readonly RenderedSample[]
}

/** Throws what the content is refused with, and the first row for its templates; later rows become rejects. */
export async function dryRun(reading: RowReading, content: BatchContent): Promise<DryRun> {
  const bundle = bundleBatchContent(content, readFileLimited, defaultMaxAttachmentBytes)
  const parts = compileParts(bundle.content)
  const files = bundle.content.attachments.map(({ filename }) => filename)
  const samples = new Samples()
  let deliveries = 0
  for await (const block of readRows(reading)) {
    for (const read of block) {
      const row = tryRow(read, parts, deliveries === 0, reading)
      if (row === undefined) continue
      deliveries += 1
      samples.offer(read.line, row)
    }
  }
  return { deliveries, samples: samples.chosen().map((sample) => rendered(sample, parts, files)) }
}

function tryRow(
  { line, row }: ReadRow,
  parts: ContentParts,
  isFirst: boolean,
  { rejects }: RowReading,
): Row | undefined {
  if (row instanceof BrokenRow) return undefined
  try {
    render(parts, variablesOf(row))
    return row
  } catch (error) {
    if (!(error instanceof FluxMailError) || (isFirst && error.code === 'template_error')) throw error
    rejects.add({ line, reason: error.message, text: addressIn(row) })
    return undefined
  }
}

/** Checked as the queue does it; the files of a row are no variables. */
function variablesOf({ attachments: _files, ...row }: Row): Readonly<Record<string, unknown>> {
  return parseRow(row).variables
}

function render(parts: ContentParts, variables: Readonly<Record<string, unknown>>) {
  const url = parts.unsubscribeUrl?.(variables)
  // HTML first, as a worker does it: a mistake in it is in the text made from it too.
  parts.html?.(variables)
  return {
    subject: parts.subject(variables),
    headers: parts.headers
      .map(({ name, value }) => ({ name, value: value(variables) }))
      .filter(({ value }) => value !== ''),
    ...(url === undefined ? {} : { unsubscribeUrl: url }),
    text: textOfBody(parts.text(variables)),
  }
}

function rendered({ line, why, row }: Sample, parts: ContentParts, files: readonly string[]): RenderedSample {
  const own = Array.isArray(row.attachments) ? row.attachments : []
  return {
    line,
    why,
    to: formatMailbox(parseMailbox(row.to, 'to')),
    attachments: [...files, ...own.map(({ filename }: { filename: string }) => filename)],
    ...render(parts, variablesOf(row)),
  }
}
