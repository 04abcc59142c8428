// What concurrent deliveries ask of the ledger in one turn of the event loop goes as one call of one script, just
// before what was asked in that turn is written: a call for each would cost Redis and this process more than what is
// asked. It must never make one wait for another: an idle system sends as soon as before, and a refusal is its asker's.

import { defineScript, type Keys, type Redis, whenWritten } from '../redis.js'
import { type AskKind, askLetters, LEDGER } from './ledger-scripts.js'

/** Redis does nothing else meanwhile. */
const ASKED_AT_ONCE = 100

interface Asked {
  readonly kind: AskKind
  readonly words: readonly string[]
  readonly answer: (answer: unknown) => void
  readonly refuse: (error: unknown) => void
}

/** Asks one thing of the ledger; the words are those that its script names. */
export type Ask = <Answer>(
  kind: AskKind,
  words: readonly string[],
  read: (answer: unknown) => Answer,
) => Promise<Answer>

export function gatherAsks(redis: Redis, keys: Keys, isSharded: boolean): Ask {
  const named = namedOf(keys)
  const call = defineScript(redis, 'fluxmailLedger', named.length, LEDGER)
  let waiting: Asked[] = []

  function send(): void {
    const asked = waiting
    waiting = []
    for (let first = 0; first < asked.length; first += ASKED_AT_ONCE)
      sendTogether(asked.length <= ASKED_AT_ONCE ? asked : asked.slice(first, first + ASKED_AT_ONCE))
  }

  function sendTogether(asked: readonly Asked[]): void {
    const facts = [asked.some(({ kind }) => kind !== 'claim') ? '1' : '', isSharded ? '1' : '']
    for (const { kind, words } of asked) facts.push(askLetters[kind], ...words)
    call(named, facts).then(
      (answers) => answerAll(asked, answers as readonly unknown[]),
      (error: unknown) => {
        for (const each of asked) each.refuse(error)
      },
    )
  }

  return (kind, words, read) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) whenWritten(redis, send)
      waiting.push({ kind, words, answer: (answer) => resolve(read(answer)), refuse: reject })
    })
}

function answerAll(asked: readonly Asked[], answers: readonly unknown[]): void {
  for (const [index, each] of asked.entries()) {
    const answer = answers[index]
    try {
      if (answer instanceof Error) each.refuse(answer)
      else each.answer(answer)
    } catch (error) {
      each.refuse(error)
    }
  }
}

/** The keys of the script. */
function namedOf(keys: Keys): readonly string[] {
  const prefixes = [keys.mark(''), keys.batch(''), keys.laneCounts(''), keys.content(''), keys.file('')]
  return [keys.outcomes, keys.suppressed, ...prefixes, `${keys.bullPrefix}:`]
}
