// `fluxmail resolve`: what a person, or the log of a relay, says of deliveries that nobody knew the end of.

import { FluxMailError } from '../errors.js'
import type { MailQueue } from '../mail-queue.js'
import { countOf } from '../terminal/text.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { readVerdicts, type VerdictLine } from './verdict-file.js'

export interface ResolveOptions extends QueueOptions {
  readonly delivery?: string
  readonly sent?: boolean
  readonly notSent?: boolean
  readonly file?: string
  readonly batch?: string
}

export async function resolve(options: ResolveOptions, context: Context): Promise<ExitCode> {
  const { delivery, sent, notSent, file } = options
  if ((delivery === undefined) === (file === undefined))
    throw new UsageError('resolve takes one delivery, or --file with many')
  if (file === undefined ? Boolean(sent) === Boolean(notSent) : sent || notSent)
    throw new UsageError(
      'a delivery is resolved with --sent or with --not-sent; a file has a verdict on each line',
    )
  await using queue = openQueue(options, context.env)
  if (file !== undefined) return await resolveFile(queue, file, options, context)
  await queue.resolve(delivery ?? '', sent ? 'sent' : 'not_sent')
  say(context.stdout, `the delivery ${delivery} is ${sent ? 'sent' : 'failed (resolved_not_sent)'} now`)
  return exitCodes.done
}

async function resolveFile(
  queue: MailQueue,
  file: string,
  { batch }: ResolveOptions,
  context: Context,
): Promise<ExitCode> {
  const idsOf = await unknownDeliveries(queue, batch)
  const counts = { sent: 0, not_sent: 0, known: 0, wrong: 0 }
  for await (const item of readVerdicts(file, context)) {
    if (context.signal.aborted) break
    const problem = 'reason' in item ? item.reason : await resolveLine(queue, item, idsOf, counts)
    if (problem === undefined) continue
    counts.wrong += 1
    say(context.stderr, `line ${item.line}: ${problem}`)
  }
  for (const line of linesOf(counts)) say(context.stdout, line)
  if (context.signal.aborted) return exitCodes.interrupted
  return counts.wrong > 0 ? exitCodes.fluxMail : exitCodes.done
}

type Counts = { sent: number; not_sent: number; known: number; wrong: number }

/** What is wrong with a line; undefined where nothing is. */
async function resolveLine(
  queue: MailQueue,
  { id, recipient, verdict }: VerdictLine,
  idsOf: Lookup,
  counts: Counts,
): Promise<string | undefined> {
  const ids = idsOf(id, recipient)
  const [only] = ids
  if (ids.length > 1)
    return `${ids.length} deliveries that are unknown have this Message-ID: name the recipient`
  // A log speaks of every mail, and most were never unknown.
  if (only === undefined) {
    counts.known += 1
    return undefined
  }
  try {
    await queue.resolve(only, verdict)
    counts[verdict] += 1
  } catch (error) {
    if (!(error instanceof FluxMailError && error.code === 'not_unknown')) throw error
    counts.known += 1
  }
  return undefined
}

type Lookup = (id: string, recipient: string | undefined) => readonly string[]

async function unknownDeliveries(queue: MailQueue, batch: string | undefined): Promise<Lookup> {
  const byName = new Map<string, { id: string; recipient: string | undefined }[]>()
  for await (const { id, recipient, messageId } of queue.failures({ outcome: 'unknown', batch })) {
    for (const name of messageId === undefined ? [id] : [id, messageId])
      byName.set(name, [...(byName.get(name) ?? []), { id, recipient }])
  }
  return (given, recipient) => {
    const found = byName.get(given) ?? byName.get(`<${given}>`) ?? []
    const meant = found.filter((each) => recipient === undefined || sameAddress(each.recipient, recipient))
    return meant.map(({ id }) => id)
  }
}

function sameAddress(one: string | undefined, other: string): boolean {
  return one?.toLowerCase() === other.replace(/^<|>$/g, '').toLowerCase()
}

function linesOf({ sent, not_sent: notSent, known }: Counts): string[] {
  const others =
    known > 0
      ? [`${countOf(known, 'line')} ${known === 1 ? 'is' : 'are'} of no delivery that is unknown`]
      : []
  return [`${countOf(sent, 'delivery', 'deliveries')} resolved as sent, ${notSent} as not sent`, ...others]
}
