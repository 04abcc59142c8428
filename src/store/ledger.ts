// The ledger: the wire mark and the verdict of each delivery, and the exact counts that follow from verdicts.
// Every answer is one script, so that two workers can never both own an attempt or both count its end.

import { defineScript, type Keys, type Redis } from '../redis.js'
import { releaseContentLua } from './contents.js'
import { receiptTtlSeconds } from './receipts.js'

/** How long a verdict outlives its delivery: longer than any caller may add the delivery again. */
const VERDICT_TTL_SECONDS = 2 * receiptTtlSeconds

/** Failures of a batch that are kept word for word; all of them are counted. */
const maxBatchErrors = 1000

const settledBit = `
local function bit_is_set(key, ordinal) return ordinal >= 0 and redis.call('GETBIT', key, ordinal) == 1 end
`

// KEYS mark, settled bits. ARGV ordinal or -1.
const CLAIM = `
${settledBit}
local mark = redis.call('GET', KEYS[1])
if mark then return mark end
if bit_is_set(KEYS[2], tonumber(ARGV[1])) then return 'v:settled' end
return ''
`

// KEYS mark, settled bits, the lock of the job. ARGV ordinal or -1, token, '1' to take over an older mark.
const MARK = `
${settledBit}
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 'superseded' end
local mark = redis.call('GET', KEYS[1])
if mark then
  if string.sub(mark, 1, 2) == 'v:' then return 'settled' end
  local mine = 'w:' .. ARGV[2] .. ' '
  if ARGV[3] ~= '1' and string.sub(mark, 1, #mine) ~= mine then return 'marked' end
elseif bit_is_set(KEYS[2], tonumber(ARGV[1])) then return 'settled' end
local time = redis.call('TIME')
redis.call('SET', KEYS[1], 'w:' .. ARGV[2] .. ' ' .. time[1] * 1000 + math.floor(time[2] / 1000))
return 'ok'
`

// KEYS mark. ARGV token.
const RELEASE = `
local mine = 'w:' .. ARGV[1] .. ' '
local mark = redis.call('GET', KEYS[1])
if mark and string.sub(mark, 1, #mine) == mine then redis.call('DEL', KEYS[1]) end
return 1
`

// KEYS mark, lane counts, batch, settled bits, failures, errors, content.
// ARGV outcome, verdict, ttl, ordinal or -1, reason or '', error or '', errors kept, file prefix, '1' to spare a mark.
const RECORD = `
${settledBit}
${releaseContentLua}
local mark = redis.call('GET', KEYS[1])
if mark and string.sub(mark, 1, 2) == 'v:' then return mark end
if mark and ARGV[9] == '1' then return mark end
local ordinal = tonumber(ARGV[4])
if bit_is_set(KEYS[4], ordinal) then return 'v:settled' end
redis.call('SET', KEYS[1], 'v:' .. ARGV[2], 'EX', ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
if ordinal >= 0 then
  redis.call('SETBIT', KEYS[4], ordinal, 1)
  redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
  if ARGV[5] ~= '' then redis.call('HINCRBY', KEYS[5], ARGV[5], 1) end
  if ARGV[6] ~= '' and redis.call('LLEN', KEYS[6]) < tonumber(ARGV[7]) then redis.call('RPUSH', KEYS[6], ARGV[6]) end
elseif ARGV[1] == 'sent' or ARGV[1] == 'skipped' then
  release_content(KEYS[7], ARGV[8])
end
return ''
`

/** What the ledger must know of a delivery. */
export interface Entry {
  readonly id: string
  readonly lane: string
  readonly contentHash: string
  readonly batch?: { readonly id: string; readonly ordinal: number }
}

export type SettledOutcome = 'sent' | 'failed' | 'skipped' | 'unknown'

export type Standing =
  | { readonly kind: 'free' }
  | { readonly kind: 'marked'; readonly markedAt: number }
  | { readonly kind: 'settled'; readonly verdict: string }

export type MarkAnswer = 'ok' | 'superseded' | 'settled' | 'marked'

export interface Verdict {
  readonly outcome: SettledOutcome
  /** JSON of what is to be remembered until the job is finished. */
  readonly json: string
  /** The group that a failure is counted under, such as `550 5.1.1`. */
  readonly reason?: string
  /** JSON of the failure for the batch's list. */
  readonly error?: string
}

export interface Ledger {
  /** What is known of a delivery before its attempt begins. */
  claim(entry: Entry): Promise<Standing>
  /** Writes the wire mark; anything but `ok` means that nothing may be sent. */
  mark(entry: Entry, token: string, takeOver: boolean): Promise<MarkAnswer>
  /** Takes the mark away from an attempt that certainly sent nothing. */
  release(entry: Entry, token: string): Promise<void>
  /** Counts the end of a delivery, once; with `spareMarked`, not while an attempt is on the wire. */
  record(entry: Entry, verdict: Verdict, options?: { spareMarked?: boolean }): Promise<Standing>
  /** Forgets verdicts of deliveries whose jobs are finished. */
  forget(ids: readonly string[]): Promise<void>
}

export function createLedger(redis: Redis, keys: Keys): Ledger {
  const claim = defineScript(redis, 'fluxmailClaim', 2, CLAIM)
  const mark = defineScript(redis, 'fluxmailMark', 3, MARK)
  const release = defineScript(redis, 'fluxmailRelease', 1, RELEASE)
  const record = defineScript(redis, 'fluxmailRecord', 7, RECORD)
  const ordinal = (entry: Entry) => entry.batch?.ordinal ?? -1
  const markAndBits = (entry: Entry) => [keys.mark(entry.id), keys.batchSettled(entry.batch?.id ?? '')]

  return {
    async claim(entry) {
      return standingOf(await claim(markAndBits(entry), [ordinal(entry)]))
    },
    async mark(entry, token, takeOver) {
      const lock = `${keys.bullPrefix}:${entry.lane}:${entry.id}:lock`
      const answer = await mark([...markAndBits(entry), lock], [ordinal(entry), token, takeOver ? '1' : ''])
      return answer as MarkAnswer
    },
    async release(entry, token) {
      await release([keys.mark(entry.id)], [token])
    },
    async record(entry, verdict, { spareMarked = false } = {}) {
      const batch = entry.batch?.id ?? ''
      const named = [
        keys.mark(entry.id),
        keys.laneCounts(entry.lane),
        keys.batch(batch),
        keys.batchSettled(batch),
        keys.batchFailures(batch),
        keys.batchErrors(batch),
        keys.content(entry.contentHash),
      ]
      const { outcome, json, reason = '', error = '' } = verdict
      const kept = [maxBatchErrors, keys.file(''), spareMarked ? '1' : '']
      return standingOf(
        await record(named, [outcome, json, VERDICT_TTL_SECONDS, ordinal(entry), reason, error, ...kept]),
      )
    },
    async forget(ids) {
      if (ids.length > 0) await redis.unlink(...ids.map(keys.mark))
    },
  }
}

function standingOf(answer: unknown): Standing {
  if (typeof answer !== 'string' || answer === '') return { kind: 'free' }
  if (answer.startsWith('v:')) return { kind: 'settled', verdict: answer.slice(2) }
  return { kind: 'marked', markedAt: Number(answer.slice(answer.lastIndexOf(' ') + 1)) }
}
