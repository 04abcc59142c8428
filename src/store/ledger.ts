// The ledger: the wire mark and the verdict of each delivery, and the exact counts that follow from verdicts.
// Every answer is one step of a script, so that two workers can never both own an attempt or both count its end.

import { toUSVString } from 'node:util'
import { doubtMessage } from '../delivery/doubt.js'
import type { Reply } from '../delivery/outcome.js'
import { defineScript, type Keys, type Redis } from '../redis.js'
import { gatherAsks } from './ledger-asks.js'
import { FORGET_FINISHED } from './ledger-scripts.js'
import { maxReplyLength } from './outcome-stream.js'
import { type StoredSuppression, suppressionFields } from './suppressions.js'

/** Redis does nothing else meanwhile. */
const FORGOTTEN_AT_ONCE = 500

/** What the ledger must know of a delivery. */
export interface Entry {
  readonly id: string
  readonly lane: string
  readonly contentHash: string
  readonly batch?: { readonly id: string; readonly ordinal: number }
}

/** Among the counts of a lane: unknowns whose jobs are gone, so that nobody can resolve them any more. */
export const forgottenUnknowns = 'forgotten'

export type SettledOutcome = 'sent' | 'failed' | 'skipped' | 'unknown'

/** What bars a delivery that is not settled: its batch was stopped, or nothing is sent to its recipient. */
export interface Barrier {
  readonly kind: 'paused' | 'cancelled' | 'suppressed'
  /** In words, for whoever asks what became of the delivery. */
  readonly why: string
}

/** `doubtful`: no attempt is on the wire, and an earlier one may have been accepted. */
export type Standing = { readonly barrier?: Barrier } & (
  | { readonly kind: 'free' }
  | { readonly kind: 'doubtful' }
  | { readonly kind: 'marked'; readonly aliveMs: number }
  | { readonly kind: 'settled'; readonly verdict: string }
)

export type MarkAnswer = 'ok' | 'superseded' | 'settled' | 'marked' | 'paused' | 'cancelled'

/** Whether the batch was stopped meanwhile. */
export type ReleaseAnswer = 'released' | 'paused' | 'cancelled'

export interface Verdict {
  readonly outcome: SettledOutcome
  /** What failures are grouped by, such as `550 5.1.1`. */
  readonly code?: string
  readonly message?: string
  readonly reply?: Reply
  /** The attempt that reached the wire, if one did. */
  readonly token?: string
  readonly recipient?: string
  readonly enqueuedAt?: number
  /** The recipient is suppressed from now on, if this is how the delivery ends. */
  readonly suppress?: true
}

export type Recorded =
  | {
      readonly kind: 'counted'
      /** `unknown` where the verdict said that none was accepted, and an earlier attempt may have been. */
      readonly outcome: SettledOutcome
      /** Whether it had been counted as unknown, and is no more. */
      readonly late: boolean
      /** Further copies that may have been delivered. */
      readonly resent: number
    }
  | { readonly kind: 'settled'; readonly verdict: string }
  /** Nothing was counted: an attempt is on the wire that will say what becomes of the delivery. */
  | { readonly kind: 'marked' }

export interface Ledger {
  /** What is known of a delivery before its attempt begins; whether `recipient` is suppressed, where one is given. */
  claim(entry: Entry, recipient?: string): Promise<Standing>
  /** Writes the wire mark, whose attempt is over after `lifeMs`; anything but `ok` means that nothing may be sent. */
  mark(entry: Entry, token: string, options: { takeOver: boolean; lifeMs: number }): Promise<MarkAnswer>
  /** Takes the mark away from an attempt that has ended; `mayBeAccepted` leaves a doubt behind. */
  release(entry: Entry, token: string, mayBeAccepted?: boolean): Promise<ReleaseAnswer>
  /**
   * Counts the end of a delivery, once; with `spareMarked`, not while an attempt is on the wire. A relay's answer that
   * comes late turns an unknown into what it says.
   */
  record(entry: Entry, verdict: Verdict, options?: { spareMarked?: boolean }): Promise<Recorded>
  /** Forgets verdicts of deliveries whose jobs are finished, at once or in so many seconds. */
  forget(ids: readonly string[], inSeconds?: number): Promise<void>
  /** Forgets verdicts at once, of those deliveries of a lane whose jobs are finished or gone for whom Redis is now. */
  forgetFinished(lane: string, ids: readonly string[]): Promise<void>
}

/** With `isSharded`, whom a bounce suppresses is noted down for the other shards. */
export function createLedger(redis: Redis, keys: Keys, isSharded = false): Ledger {
  const ask = gatherAsks(redis, keys, isSharded)
  return {
    claim(entry, recipient) {
      const [own, domain] = recipient === undefined ? noFields : suppressionFields(recipient)
      return ask('claim', [entry.id, ...rowOf(entry), own, domain], claimedOf)
    },
    mark(entry, token, { takeOver, lifeMs }) {
      const facts = [token, takeOver ? '1' : '', String(lifeMs)]
      return ask('mark', [entry.id, entry.lane, ...rowOf(entry), ...facts], (answer) => answer as MarkAnswer)
    },
    release(entry, token, mayBeAccepted = false) {
      const facts = [entry.id, ...rowOf(entry), token, mayBeAccepted ? '1' : '']
      return ask('release', facts, (answer) => answer as ReleaseAnswer)
    },
    record(entry, verdict, { spareMarked = false } = {}) {
      const facts = factsOf(entry, verdict)
      if (verdict.outcome === 'sent' && verdict.code === undefined && !spareMarked)
        return ask('sent', facts, recordedOf)
      const { outcome, code = '-', suppress, recipient = '' } = verdict
      const kept = [outcome, code.replaceAll(' ', '_'), spareMarked ? '1' : '', ...failureOf(entry, verdict)]
      const bounced = suppress ? suppressionFields(recipient)[0] : ''
      return ask('record', [...facts, ...kept, bounced], recordedOf)
    },
    ...forgettingOf(redis, keys),
  }
}

const noFields = ['', ''] as const

/** The batch of a row and its place in it. */
function rowOf({ batch }: Entry): readonly [batch: string, ordinal: string] {
  return batch ? [batch.id, String(batch.ordinal)] : ['', '-1']
}

function forgettingOf(redis: Redis, keys: Keys): Pick<Ledger, 'forget' | 'forgetFinished'> {
  const forgetFinished = defineScript(redis, 'fluxmailForgetFinished', 2, FORGET_FINISHED)
  return {
    async forget(ids, inSeconds = 0) {
      if (ids.length === 0) return
      const marks = ids.map(keys.mark)
      if (inSeconds > 0) await Promise.all(marks.map((each) => redis.expire(each, inSeconds)))
      else await redis.unlink(...marks)
    },
    async forgetFinished(lane, ids) {
      const prefixes = [keys.mark(''), `${keys.bullPrefix}:${lane}:`]
      for (let first = 0; first < ids.length; first += FORGOTTEN_AT_ONCE)
        await forgetFinished(prefixes, ids.slice(first, first + FORGOTTEN_AT_ONCE))
    },
  }
}

/** The group of a failure, its JSON, and the JSON if it turns out that an earlier attempt may have been accepted. */
function failureOf(entry: Entry, verdict: Verdict): [string, string, string] {
  const { outcome, code = 'unknown', message = '', reply, recipient = '' } = verdict
  if (outcome === 'sent') return ['', '', '']
  const facts = { id: entry.id, ordinal: entry.batch?.ordinal, recipient }
  const doubt = jsonOf({
    ...facts,
    code: 'unknown',
    message: doubtMessage(message),
    outcome: 'unknown',
  })
  if (outcome === 'skipped') return ['', '', doubt]
  return [code, jsonOf({ ...facts, code, message, reply, outcome }), doubt]
}

/** Half a character, as a text that was cut may end with, is nothing that Lua can read. */
function jsonOf(facts: object): string {
  return JSON.stringify(facts, (_, value: unknown) =>
    typeof value === 'string' ? toUSVString(value) : value,
  )
}

/** What every verdict says; at the end what the stream of outcomes is told beside the outcome. */
function factsOf(
  entry: Entry,
  { token = '', code = '', reply, recipient = '', enqueuedAt }: Verdict,
): string[] {
  const attempt = [entry.id, entry.lane, ...rowOf(entry), token, entry.contentHash]
  return [...attempt, recipient, enqueuedAt === undefined ? '' : String(enqueuedAt), code, wordsOf(reply)]
}

function wordsOf(reply: Reply | undefined): string {
  if (reply === undefined) return ''
  const { code, enhanced, text } = reply
  return [code, enhanced, text]
    .filter((word) => word !== undefined)
    .join(' ')
    .slice(0, maxReplyLength)
}

function claimedOf(answer: unknown): Standing {
  if (!Array.isArray(answer)) return standingOf(answer)
  const [standing, kind, why] = answer as (string | undefined)[]
  return { ...standingOf(standing), barrier: barrierOf(kind as Barrier['kind'], JSON.parse(why ?? '{}')) }
}

function barrierOf(
  kind: Barrier['kind'],
  facts: StoredSuppression & { by?: string; reason?: string },
): Barrier {
  if (kind === 'suppressed') {
    return { kind, why: `nothing is sent to the recipient: ${[facts.r, facts.c].filter(Boolean).join(', ')}` }
  }
  const { by, reason } = facts
  return { kind, why: `its batch was ${kind}${by ? ` by ${by}` : ''}${reason ? `: ${reason}` : ''}` }
}

function standingOf(answer: unknown): Standing {
  if (typeof answer !== 'string' || answer === '') return { kind: 'free' }
  if (answer.startsWith('v:')) return { kind: 'settled', verdict: answer.slice(2) }
  return answer.startsWith('d:') ? { kind: 'doubtful' } : { kind: 'marked', aliveMs: Number(answer.slice(2)) }
}

function recordedOf(answer: unknown): Recorded {
  const text = String(answer)
  if (text.startsWith('v:')) return { kind: 'settled', verdict: text.slice(2) }
  const [outcome, resent] = text.slice(2).split(' ', 2)
  if (text.startsWith('w:')) return { kind: 'marked' }
  return {
    kind: 'counted',
    outcome: outcome as SettledOutcome,
    late: text.startsWith('m:'),
    resent: Number(resent),
  }
}
