import { expect, test } from 'vitest'
import { runAttempt } from '../../src/delivery/attempt.js'
import type { Attempt, Delivery, Pass, Ports, Throttled } from '../../src/delivery/delivery.js'
import type { Standing } from '../../src/store/ledger.js'

interface Kept extends Pass {
  released: number
}

function keptPass(): Kept {
  const pass: Kept = {
    relay: 'main',
    released: 0,
    spend: () => true,
    release: () => {
      pass.released += 1
    },
  }
  return pass
}

const delivery = {
  id: 'd1',
  lane: 'bulk',
  contentHash: 'c',
  recipient: { address: 'a@example.com' },
  variables: {},
  createdAt: 1_000,
  heldMs: 0,
  attemptsMade: 0,
  crashes: 0,
} as Delivery

function portsWith(own: Partial<Ports>): Ports & { readonly calls: string[] } {
  const calls: string[] = []
  const ports: Partial<Ports> = {
    now: () => 10_000,
    chance: () => 0.5,
    laneRule: () => ({ unknown: 'hold', maxAgeMs: 60_000 }),
    claim: async () => {
      calls.push('claim')
      return { kind: 'free' }
    },
    render: async () => {
      calls.push('render')
      return { message: { bytes: Buffer.alloc(0), messageId: '<x@x>' }, sender: 'n@example.com' }
    },
    release: async () => 'released',
    record: async (_entry, { outcome }) => ({ kind: 'counted', outcome, late: false, resent: 0 }),
    beforeRepeat: async () => false,
    ...own,
  }
  return Object.assign(ports as Ports, { calls })
}

const attemptWith = (ports: Ports, to = delivery): Attempt => ({
  delivery: to,
  token: 't',
  ports,
  signal: new AbortController().signal,
})

const slowProvider: Throttled = {
  kind: 'throttled',
  relay: 'main',
  short: 'provider',
  gate: { provider: 'google' },
  perSecond: 2,
  waitMs: 700,
}

test('what finds no permit is held with its gate, and costs no rendering', async () => {
  const throttled = slowProvider
  const ports = portsWith({ look: async () => throttled })
  const { outcome } = await runAttempt(attemptWith(ports))
  expect(outcome).toMatchObject({
    kind: 'held',
    reason: { code: 'throttled', message: expect.stringContaining('mail to google') },
    holdMs: 700,
    gate: { provider: 'google' },
    perSecond: 2,
  })
  expect(ports.calls).toEqual(['claim'])
})

test('what has ended or was stopped waits for no permit', async () => {
  const found = async (standing: Standing) =>
    (
      await runAttempt(
        attemptWith(portsWith({ look: async () => slowProvider, claim: async () => standing })),
      )
    ).outcome
  expect(await found({ kind: 'settled', verdict: 'sent -' })).toMatchObject({ kind: 'sent' })
  expect(await found({ kind: 'free', barrier: { kind: 'cancelled', why: 'x' } })).toMatchObject({
    kind: 'skipped',
  })
  const paused = await found({ kind: 'free', barrier: { kind: 'paused', why: 'x' } })
  expect(paused).toMatchObject({ kind: 'held', reason: { code: 'paused' } })
  expect(paused).not.toHaveProperty('gate')
  expect(await found({ kind: 'free' })).toMatchObject({ kind: 'held', gate: slowProvider.gate })
})

test('a worker without a place among the connections sets nobody else aside', async () => {
  const throttled: Throttled = {
    kind: 'throttled',
    relay: 'main',
    short: 'connections',
    gate: {},
    perSecond: 1,
    waitMs: 1_000,
  }
  const { outcome } = await runAttempt(attemptWith(portsWith({ look: async () => throttled })))
  expect(outcome).toMatchObject({ kind: 'held', holdMs: 1_000 })
  expect(outcome).not.toHaveProperty('gate')
})

test('what is past its time needs no permit for failing', async () => {
  const ports = portsWith({
    look: async () => {
      throw new Error('looked')
    },
  })
  const { outcome } = await runAttempt(attemptWith(ports, { ...delivery, expiresAt: 5_000 }))
  expect(outcome).toMatchObject({ kind: 'failed', reason: { code: 'expired' } })
})

test('a worker that closes puts what waits for a permit back unspent', async () => {
  const { outcome } = await runAttempt(attemptWith(portsWith({ look: async () => ({ kind: 'closing' }) })))
  expect(outcome).toMatchObject({ kind: 'held', reason: { code: 'closing' }, holdMs: 0 })
})

const endings: Readonly<Record<string, Partial<Ports>>> = {
  'the claim finds it settled': { claim: async () => ({ kind: 'settled', verdict: 'sent' }) },
  'the claim finds it cancelled': {
    claim: async () => ({ kind: 'free', barrier: { kind: 'cancelled', why: 'x' } }),
  },
  'it cannot be rendered': {
    render: async () => {
      throw new Error('no content')
    },
  },
  'its circuit is open': {
    permit: async () => ({ kind: 'shut', relay: 'main', why: 'circuit', waitMs: 1 }),
  },
  'the worker closes': { permit: async () => ({ kind: 'closing' }) },
}

test.each(Object.keys(endings))('when %s the permit is somebody else’s', async (ending) => {
  const pass = keptPass()
  await runAttempt(attemptWith(portsWith({ look: async () => ({ kind: 'open', pass }), ...endings[ending] })))
  expect(pass.released).toBe(1)
})

test('when Redis cannot be asked the permit is somebody else’s', async () => {
  const pass = keptPass()
  const ports = portsWith({
    look: async () => ({ kind: 'open', pass }),
    claim: async () => {
      throw new Error('away')
    },
  })
  await expect(runAttempt(attemptWith(ports))).rejects.toThrow('away')
  expect(pass.released).toBe(1)
})
