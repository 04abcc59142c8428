// Replies that others collected, each with its source and the judgement that its own words demand, written before
// the rules and without sight of them. A label is never changed to please a rule; what is judged otherwise is named.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Exchange } from '../../src/delivery/delivery.js'
import { judgeExchange } from '../../src/delivery/judge.js'
import type { Outcome } from '../../src/delivery/outcome.js'
import type { ReplyStage } from '../../src/delivery/replies.js'

const labels = [
  'failed-recipient',
  'failed-message',
  'failed-policy-recipient',
  'deferred',
  'slower',
  'relay-fault',
  'sender-fault',
  'policy-us',
] as const
type Label = (typeof labels)[number]

interface Entry {
  readonly stage: ReplyStage
  /** Lines joined by a space. */
  readonly reply: string
  readonly source: string
  readonly judgement: Label
  readonly retry_after_seconds: number | null
  /** Names the labels that reasonable people might give instead. */
  readonly doubt?: string
  readonly stage_inferred?: true
}

const path = new URL('corpus/replies.json', import.meta.url)
const corpus: readonly Entry[] = JSON.parse(readFileSync(path, 'utf8'))

/** Why these are judged otherwise than they are labelled. */
const exceptions: Readonly<Record<string, string>> = {
  '432 Service temporarily unavailable.':
    'labelled as the fault of the relay; any 4yz to MAIL FROM that says no more is deferred',
  '553 neko.example.com does not exist':
    "labelled as the sender's fault; after the dot nothing in it says whose domain is meant",
  '421 smtp.orange.fr [192.0.2.1] Emetteur invalide, Veuillez verifier la configuration SPF/DNS de votre nom de domaine. Invalid Sender. SPF check failed, please verify the SPF/DNS configuration for your domain name.':
    'labelled as the fault of a sender; at the greeting no sender has been named yet, so that the relay is held',
}

const isDsnOfSender = (outcome: Outcome) =>
  outcome.kind === 'failed' && /^5\.1\.[78]$/.test(outcome.reason.reply?.enhanced ?? '')
const isFailed = (outcome: Outcome) => outcome.kind === 'failed'
const isSlower = (outcome: Outcome) => 'slower' in outcome && outcome.slower === true
const isHeldFor =
  (...faults: string[]) =>
  (outcome: Outcome) =>
    outcome.kind === 'held' && faults.includes(outcome.fault ?? '')

/** With a recipient on the table the delivery waits, and the sender is held when it comes in a row. */
const isSuspectedOf = (fault: string) => (outcome: Outcome) =>
  outcome.kind === 'deferred' && outcome.fault === fault

const demands: Readonly<Record<Label, (outcome: Outcome) => boolean>> = {
  'failed-recipient': isFailed,
  'failed-message': isFailed,
  'failed-policy-recipient': isFailed,
  deferred: (outcome) => outcome.kind === 'deferred' && !isSlower(outcome) && outcome.fault === undefined,
  slower: isSlower,
  'relay-fault': isHeldFor('relay', 'auth'),
  'sender-fault': (outcome) =>
    isHeldFor('sender')(outcome) || isSuspectedOf('sender')(outcome) || isDsnOfSender(outcome),
  'policy-us': (outcome) => isHeldFor('policy')(outcome) || isSlower(outcome),
}

function onTheWire(reply: string): string {
  const code = /^(\d{3})-/.exec(reply)?.[1]
  return code === undefined ? reply : reply.replace(new RegExp(` (?=${code}[- ])`, 'g'), '\r\n')
}

function exchangeOf({ stage, reply }: Entry): Exchange {
  const response = onTheWire(reply)
  if (stage !== 'connect' && stage !== 'auth') return { kind: 'refused', stage, response }
  const code = stage === 'auth' ? 'EAUTH' : 'EPROTOCOL'
  return { kind: 'broken', phase: 'connect', code, message: 'it refused us', response }
}

function isAsLabelled(entry: Entry): boolean {
  const outcome = judgeExchange(exchangeOf(entry))
  const named = labels.filter((label) => label === entry.judgement || entry.doubt?.includes(label))
  return named.some((label) => demands[label](outcome))
}

test('the corpus has at least 200 replies, each with its source', () => {
  expect(corpus.length).toBeGreaterThan(200)
  expect(corpus.filter(({ source }) => source.trim() === '')).toEqual([])
  expect(new Set(corpus.map(({ judgement }) => judgement))).toEqual(new Set(labels))
})

test('every reply of the corpus is judged as its label demands, but for those that are named', () => {
  const wrong = corpus.filter((entry) => !isAsLabelled(entry)).map(({ reply }) => reply)
  const share = ((1 - wrong.length / corpus.length) * 100).toFixed(1)
  process.stdout.write(
    `corpus: ${corpus.length - wrong.length} of ${corpus.length} replies as labelled (${share} %)\n`,
  )
  expect(wrong.toSorted()).toEqual(Object.keys(exceptions).toSorted())
  expect(Object.keys(exceptions).length).toBeLessThanOrEqual(20)
})

test('no label that speaks of the relay, the sender or us ever fails a delivery', () => {
  const spared = corpus.filter(
    ({ judgement, doubt = '' }) =>
      (judgement === 'relay-fault' || judgement === 'policy-us' || judgement === 'slower') &&
      !doubt.includes('failed'),
  )
  expect(spared.length).toBeGreaterThan(100)
  expect(spared.filter((entry) => judgeExchange(exchangeOf(entry)).kind === 'failed')).toEqual([])
})

test('a time that a reply of the corpus names is found, and none where none is named', () => {
  const found = corpus.map((entry) => {
    const outcome = judgeExchange(exchangeOf(entry))
    const seconds =
      outcome.kind === 'deferred'
        ? outcome.retryAfterMs
        : entry.retry_after_seconds !== null && outcome.kind === 'held'
          ? outcome.holdMs
          : undefined
    return { reply: entry.reply, seconds: seconds === undefined ? null : seconds / 1000 }
  })
  const named = corpus.map(({ reply, retry_after_seconds }) => ({ reply, seconds: retry_after_seconds }))
  expect(found).toEqual(named)
})
