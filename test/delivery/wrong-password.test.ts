import { expect, test } from 'vitest'
import { runAttempt } from '../../src/delivery/attempt.js'
import type { Delivery, Exchange, Ports } from '../../src/delivery/delivery.js'

const HOUR_MS = 3_600_000

const delivery: Delivery = {
  id: 'b.0',
  lane: 'bulk',
  contentHash: '0'.repeat(64),
  recipient: { address: 'a@example.com' },
  variables: {},
  createdAt: 0,
  heldMs: 0,
  attemptsMade: 3,
  crashes: 0,
  firstAttemptAt: 0,
}

const refusals: Exchange[] = [
  '535 5.7.8 Authentication credentials invalid',
  '454 4.7.0 Temporary authentication failure',
].map((response) => ({
  kind: 'broken',
  phase: 'connect',
  code: 'EAUTH',
  message: 'Invalid login',
  response,
}))

test('a wrong password for an hour fails nobody, spends no attempt and is written down nowhere', async () => {
  let now = 0
  let attempts = 0
  const written: unknown[] = []
  const ports: Partial<Ports> = {
    now: () => now,
    // Older than the lane allows and at its last attempt: the next deferral would be a failure.
    laneRule: () => ({ unknown: 'hold', maxAgeMs: 1, maxAttempts: 4 }),
    look: async () => ({ kind: 'open' }),
    claim: async () => ({ kind: 'free' }),
    render: async () => ({
      message: { bytes: Buffer.alloc(0) } as never,
      sender: 'news@example.com',
    }),
    permit: async () => {
      attempts += 1
      const exchange = refusals[attempts % refusals.length] as Exchange
      return { kind: 'refused', relay: 'main', exchange }
    },
    mark: async () => written.push('mark') as never,
    record: async (...verdict) => written.push(verdict) as never,
    release: async () => 'released',
  }
  while (now < HOUR_MS) {
    const { signal } = new AbortController()
    const { outcome } = await runAttempt({ delivery, token: 't', ports: ports as Ports, signal })
    expect(outcome).toMatchObject({ kind: 'held', fault: 'auth' })
    if (outcome.kind === 'held') now += outcome.holdMs
  }
  expect(attempts).toBe(HOUR_MS / 5_000)
  expect(written).toEqual([])
})
