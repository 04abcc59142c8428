// `fluxmail suppress add` and `remove`: addresses and domains that nothing is sent to.

import { systemClock } from '../clock.js'
import type { MailQueue } from '../mail-queue.js'
import type { Suppression } from '../queue/suppressions.js'
import { visible, wrap } from '../terminal/text.js'
import { type Context, columnsOf, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { instant } from './status-lines.js'

export interface SuppressOptions extends QueueOptions {
  readonly addresses: readonly string[]
  readonly json?: boolean
}

export interface SuppressTermOptions {
  readonly reason?: string
  readonly until?: Date
  readonly days?: number
}

export async function addSuppressions(
  options: SuppressOptions & SuppressTermOptions,
  context: Context,
): Promise<ExitCode> {
  const term = termOf(options)
  await using queue = openQueue(options, context.env)
  await checkAll(queue, options.addresses)
  const added: Suppression[] = []
  for (const address of options.addresses) added.push(await queue.suppressions.add(address, term))
  if (options.json) say(context.stdout, JSON.stringify(added))
  else for (const suppression of added) sayWrapped(context, suppressionText(suppression))
  return exitCodes.done
}

export async function removeSuppressions(options: SuppressOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  await checkAll(queue, options.addresses)
  const removed: { address: string; removed: boolean; stands?: Suppression }[] = []
  for (const address of options.addresses) {
    const wasThere = await queue.suppressions.remove(address)
    const stands = await queue.suppressions.get(address)
    removed.push({ address, removed: wasThere, ...(stands ? { stands } : {}) })
  }
  if (options.json) say(context.stdout, JSON.stringify(removed))
  else for (const each of removed) sayWrapped(context, removedText(each))
  return exitCodes.done
}

/** Nothing is changed when one of them is none. */
async function checkAll({ suppressions }: MailQueue, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) await suppressions.get(address)
}

function removedText(each: { address: string; removed: boolean; stands?: Suppression }): string {
  const what = visible(each.address)
  const head = each.removed ? `${what} is suppressed no longer` : `${what} was not suppressed`
  if (!each.stands) return head
  return `${head} for its own sake, but nothing is sent to it: ${suppressionText(each.stands)}`
}

/** What holds for one address, in a sentence. */
export function suppressionText({ address, reason, since, expiresAt, code }: Suppression): string {
  const why = code === undefined ? reason : `${reason}, ${code}`
  const until = expiresAt ? `, until ${instant(expiresAt)}` : ''
  return `${visible(address)} is suppressed (${visible(why)}) since ${instant(since)}${until}`
}

const DAY_MS = 86_400_000

/** Why and until when, as the library takes it. Throws UsageError. */
export function termOf({ reason, until, days }: SuppressTermOptions): { reason?: string; expiresAt?: Date } {
  if (until !== undefined && days !== undefined)
    throw new UsageError('--until and --days say the same: give one of them')
  const now = systemClock.now()
  if (until !== undefined && until.getTime() <= now)
    throw new UsageError(`--until ${until.toISOString()} is over already; give a time that is still to come`)
  const expiresAt = days === undefined ? until : new Date(now + days * DAY_MS)
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

export function sayWrapped({ stdout }: Context, text: string): void {
  for (const line of wrap(text, columnsOf(stdout))) say(stdout, line)
}
