import { expect, test } from 'vitest'
import type { Attempt, Exchange, Ports } from '../../src/delivery/delivery.js'
import { judge } from '../../src/delivery/judge.js'
import { record } from '../../src/delivery/record.js'
import type { Stage } from '../../src/delivery/replies.js'
import type { Verdict } from '../../src/store/ledger.js'

const delivery = {
  id: 'b.0',
  lane: 'bulk',
  contentHash: 'c',
  recipient: { address: 'a@example.com' },
  variables: {},
  createdAt: 0,
  heldMs: 0,
  attemptsMade: 0,
  crashes: 0,
}

/** What the ledger is told of an attempt that a relay refused. */
async function verdictOf(
  response: string,
  stage: Stage,
  suppressOnBounce = true,
): Promise<Verdict | undefined> {
  let told: Verdict | undefined
  const ports: Partial<Ports> = {
    now: () => 0,
    laneRule: () => ({ unknown: 'hold', maxAgeMs: 1000, suppressOnBounce }),
    release: async () => 'released',
    record: async (_entry, verdict) => {
      told = verdict
      return { kind: 'counted', outcome: verdict.outcome, late: false, resent: 0 }
    },
  }
  const exchange: Exchange = { kind: 'refused', stage, response }
  const { signal } = new AbortController()
  const attempt: Attempt = { delivery, token: 't', ports: ports as Ports, signal, exchange }
  await record(judge(attempt))
  return told
}

test.each([
  '550 5.1.1 no such user',
  '550 5.1.2 no such host',
  '553 5.1.3 bad address',
  '551 5.1.6 moved',
  '556 5.1.10 null MX',
  '550 5.2.1 mailbox disabled',
])('%s to RCPT suppresses its recipient', async (response) => {
  expect(await verdictOf(response, 'rcpt')).toMatchObject({ outcome: 'failed', suppress: true })
})

test.each([
  ['550 5.2.0 something about the mailbox', 'rcpt'],
  ['554 5.6.0 bad message', 'body'],
  ['550 no such user', 'rcpt'],
  ['550 5.7.1 not allowed', 'rcpt'],
] as const)('%s to %s suppresses nobody', async (response, stage) => {
  expect((await verdictOf(response, stage))?.suppress).toBeUndefined()
})

test.each([
  ['450 4.1.1 unknown for now', 'rcpt'],
  ['550 5.1.1 no such sender', 'mail'],
] as const)('%s to %s suppresses nobody', async (response, stage) => {
  expect((await verdictOf(response, stage))?.suppress).toBeUndefined()
})

test('a lane that does not want it suppresses nobody', async () => {
  const verdict = await verdictOf('550 5.1.1 no such user', 'rcpt', false)
  expect(verdict).toMatchObject({ outcome: 'failed' })
  expect(verdict?.suppress).toBeUndefined()
})
