// A batch in a few words: its state, how far it is, how fast, and who stopped it.

import type { BatchStatus, BatchStop } from '../queue/batch-status.js'
import { formatEta } from '../terminal/progress.js'
import { formatCount, formatPercent, visible } from '../terminal/text.js'
import type { Style } from './context.js'
import { instant } from './status-lines.js'

export type BatchState =
  | 'enqueueing'
  | 'incomplete'
  | 'scheduled'
  | 'sending'
  | 'paused'
  | 'cancelling'
  | 'cancelled'
  | 'finished'

export function stateOf(status: BatchStatus, now: number): BatchState {
  const { cancelled, paused, sealed, importing, pending, sendAt } = status
  if (cancelled) return pending > 0 ? 'cancelling' : 'cancelled'
  if (sealed && pending === 0) return 'finished'
  if (paused) return 'paused'
  if (!sealed) return importing ? 'enqueueing' : 'incomplete'
  return sendAt && sendAt.getTime() > now ? 'scheduled' : 'sending'
}

export const stateStyles: Readonly<Record<BatchState, Style>> = {
  enqueueing: 'cyan',
  incomplete: 'yellow',
  scheduled: 'cyan',
  sending: 'cyan',
  paused: 'yellow',
  cancelling: 'yellow',
  cancelled: 'dim',
  finished: 'green',
}

/** Of what was acknowledged, how much is settled; undefined where nothing was. */
export function shareOf({ total, pending }: BatchStatus): number | undefined {
  return total === 0 ? undefined : (total - pending) / total
}

export function percentOf(status: BatchStatus): string {
  const share = shareOf(status)
  return share === undefined ? '–' : formatPercent(share)
}

/** Slower than this it stands still for whoever looks, and no end is guessed from it. */
const LEAST_RATE = 0.05

export function rateText({ rate }: BatchStatus): string {
  return `${rate >= LEAST_RATE && rate < 10 ? rate.toFixed(1) : formatCount(rate)}/s`
}

/** Nothing where it is not known, or nothing is pending. */
export function etaText({ etaSeconds, pending, cancelled, rate }: BatchStatus): string | undefined {
  if (etaSeconds === undefined || rate < LEAST_RATE || pending === 0 || cancelled) return undefined
  return `ETA ${formatEta(etaSeconds)}`
}

/** Who paused or cancelled it, when and why; nothing where nobody did. */
export function stopTexts({ paused, cancelled }: BatchStatus): string[] {
  if (cancelled) return [stopText('cancelled', cancelled)]
  return paused ? [stopText('paused', paused)] : []
}

function stopText(what: string, { at, by, reason }: BatchStop): string {
  return `${what} ${instant(at)} by ${visible(by)}${reason ? `: ${visible(reason)}` : ''}`
}
