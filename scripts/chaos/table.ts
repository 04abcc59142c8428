// The report of a run as lines for a terminal of 80 columns, and as JSON.
// Whatever is not as promised stands in it in words.

import { type Fact, factTable } from '../../src/cli/table.js'
import { isBroken, type Report } from './checker.js'
import { type Evidence, outcomes } from './evidence.js'
import { type Breach, breaches } from './faults.js'
import { timelineOf } from './timeline.js'

const COLUMNS = 80
/** Of each breach, so many are told one by one. */
const TOLD = 5
/** Of so many recipients all that is known is told. */
const SUSPECTS = 3

/** What a run was, and how much was done to it. */
export interface RunFacts {
  readonly seed: number
  readonly actions: number
  readonly workers: number
}

const breachNames: Readonly<Record<Breach, string>> = {
  lost: 'lost',
  duplicated: 'duplicated outside unknown',
  resentUnlike: 'copies unlike each other',
  failedButAccepted: 'failed, yet the relay has it',
  failedUnrefused: 'failed, and nobody refused it',
  skippedUnasked: 'skipped, and nobody asked for it',
  sentWhileStopped: 'sent while paused or cancelled',
  unknownOutside: 'unknown outside the window',
  wrongRecipient: 'wrong recipient',
  wrongBody: 'wrong body',
  contradicted: 'said otherwise before',
  miscounted: 'counted otherwise',
  stillPending: 'not settled at the end',
  workerEnded: 'workers that ended by themselves',
}

export function reportLines(report: Report, evidence: Evidence, run: RunFacts): string[] {
  const paint = (_style: unknown, text: string) => text
  return [
    ...factTable([...runFacts(run), ...facts(report), ...breachFacts(report)], COLUMNS, paint),
    ...breaches.flatMap((breach) => told(breach, report.found[breach])),
    ...report.suspects
      .slice(0, SUSPECTS)
      .flatMap((recipient) => ['', `<${recipient}>:`, ...timelineOf(recipient, evidence)]),
    '',
    isBroken(report) ? 'The promise is broken.' : 'The promise held.',
  ].map((line) => line.trimEnd())
}

function runFacts({ seed, actions, workers }: RunFacts): Fact[] {
  return [
    fact('seed', seed),
    fact('actions', actions),
    fact('workers', workers, 'one after the other, two at once'),
  ]
}

function facts({ accepted, ends, copies, unknown, allowedCopies, unacknowledged }: Report): Fact[] {
  return [
    fact('accepted', accepted),
    ...outcomes.flatMap((outcome) => [
      fact(outcome, ends[outcome], '', 1),
      ...(outcome === 'unknown'
        ? [
            fact('whole, not answered', unknown.whole, 'the relay had it and no reply went out', 2),
            fact(
              'answered',
              unknown.answered,
              'the 250 went out: it was lost on its way, or not recorded',
              2,
            ),
            fact(
              'body without its dot',
              unknown.bodyOnly,
              'killed or cut after its mark and before its dot',
              2,
            ),
          ]
        : []),
    ]),
    ...[...copies].map(([number, count]) =>
      fact(`with ${number} ${number === 1 ? 'copy' : 'copies'}`, count),
    ),
    fact('further copies', allowedCopies, 'as the policy resend allows'),
    fact('not acknowledged, yet there', unacknowledged),
  ]
}

function breachFacts({ found }: Report): Fact[] {
  return breaches.map((breach) => fact(breachNames[breach], found[breach].length))
}

function fact(name: string, value: number, note = '', depth = 0): Fact {
  return { name, value: String(value), note, depth }
}

function told(breach: Breach, lines: readonly string[]): string[] {
  if (lines.length === 0) return []
  const more = lines.length > TOLD ? [`  and ${lines.length - TOLD} more`] : []
  return ['', `${breachNames[breach]}:`, ...lines.slice(0, TOLD).map((line) => `  ${line}`), ...more]
}

export function reportJson(report: Report): object {
  return { held: !isBroken(report), ...report, copies: Object.fromEntries(report.copies) }
}
