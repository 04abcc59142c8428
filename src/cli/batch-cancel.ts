// `fluxmail batch cancel` and `delete`: what cannot be undone is asked about first.

import { systemClock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import type { BatchStatus } from '../queue/batch-status.js'
import { countOf, formatCount } from '../terminal/text.js'
import { type BatchOptions, type BatchStopOptions, sayJson, sayLines, whoAsks } from './batch-pause.js'
import { briefOf } from './batch-show.js'
import { stateOf, stopTexts } from './batch-state.js'
import { type ConfirmOptions, confirm } from './confirm.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { openQueue } from './open-queue.js'

export async function cancelBatch(
  options: BatchStopOptions & ConfirmOptions,
  context: Context,
): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const batch = queue.batch(options.id)
  const before = await batch.status()
  const state = stateOf(before, systemClock.now())
  if (state === 'finished' || state === 'cancelled') {
    if (options.json) return sayJson(context, false, before)
    const words = [`nothing of batch ${batch.id} is pending`, ...stopTexts(before)].join('; ')
    return sayLines(context, [words])
  }
  // To cancel one again only helps the workers with what the first call left.
  const isSure = state === 'cancelling' || (await confirm(cancelQuestion(before), options, context))
  if (!isSure) return notSure(context)
  const changed = await batch.cancel({ reason: options.reason, by: options.by ?? whoAsks() })
  const after = await batch.status()
  if (options.json) return sayJson(context, changed, after)
  return sayLines(context, cancelledLines(after))
}

function cancelQuestion(status: BatchStatus): string {
  const { pending, importing } = status
  const rows = importing ? ', and rows are still being enqueued' : ''
  return `${briefOf(status)}${rows}\nCancel it, so that ${countOf(pending, 'delivery is', 'deliveries are')} never sent?`
}

function cancelledLines({ id, sent, skipped, pending }: BatchStatus): string[] {
  const head = `batch ${id} is cancelled: ${formatCount(sent)} sent, ${formatCount(skipped)} skipped`
  if (pending === 0) return [head]
  const rest = countOf(pending, 'delivery is', 'deliveries are')
  return [head, `${rest} in the hands of workers, which end ${pending === 1 ? 'it' : 'them'} now`]
}

export async function deleteBatch(
  options: BatchOptions & ConfirmOptions,
  context: Context,
): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const batch = queue.batch(options.id)
  const before = await batch.status()
  checkFinished(before)
  if (!(await confirm(deleteQuestion(before), options, context))) return notSure(context)
  await batch.delete()
  if (options.json) say(context.stdout, JSON.stringify({ id: batch.id, deleted: true }))
  else sayLines(context, [`batch ${batch.id} is deleted`])
  return exitCodes.done
}

/** Before anybody is asked for nothing. */
function checkFinished({ id, pending, sealed, cancelled }: BatchStatus): void {
  if (cancelled || (sealed && pending === 0)) return
  const why =
    pending > 0
      ? `${countOf(pending, 'delivery of it is', 'deliveries of it are')} pending`
      : 'not all of its rows are enqueued'
  const message = `batch ${id} is not finished: ${why}; wait, or cancel it first: fluxmail batch cancel ${id}`
  throw new FluxMailError('batch_not_finished', message, { details: { batchId: id } })
}

function deleteQuestion(status: BatchStatus): string {
  const { failed, unknown } = status
  const lost =
    failed + unknown > 0
      ? `, with ${countOf(failed + unknown, 'failure')} that can then neither be listed nor replayed`
      : ''
  return `${briefOf(status)}\nDelete it with all that is kept of it${lost}?`
}

function notSure({ signal }: Context): ExitCode {
  return signal.aborted ? exitCodes.interrupted : exitCodes.commandLine
}
