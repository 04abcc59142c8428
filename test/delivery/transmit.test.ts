import { expect, test } from 'vitest'
import { runAttempt } from '../../src/delivery/attempt.js'
import type { Delivery, Exchange, Ports, Transmission } from '../../src/delivery/delivery.js'

const delivery: Delivery = {
  id: 'b.0',
  lane: 'bulk',
  contentHash: '0'.repeat(64),
  recipient: { address: 'a@example.com' },
  variables: {},
  createdAt: 0,
  heldMs: 0,
  attemptsMade: 0,
  crashes: 0,
}
const lockMs = 30_000

interface Scene {
  now: number
  readonly calls: string[]
  readonly ports: Ports
}

/** `transmit` is what the wire does, `mark` what happens while the ledger is asked. */
function openScene(
  transmit: (transmission: Transmission, scene: Scene) => Promise<Exchange>,
  mark: (scene: Scene) => Promise<'ok'> = async () => 'ok',
): Scene {
  const ports: Ports = {
    now: () => scene.now,
    chance: () => 0.5,
    laneRule: () => ({ unknown: 'hold', maxAgeMs: 60_000 }),
    look: async () => ({ kind: 'open' }),
    claim: async () => ({ kind: 'free' }),
    leaveMs: lockMs,
    mark: async () => {
      scene.calls.push('mark')
      return mark(scene)
    },
    release: async (_entry, _token, mayBeAccepted) => {
      scene.calls.push(`release ${mayBeAccepted}`)
      return 'released'
    },
    record: async (_entry, { outcome }) => {
      scene.calls.push(`record ${outcome}`)
      return { kind: 'counted', outcome, late: false, resent: 0 }
    },
    beforeRepeat: async () => false,
    render: async () => ({
      message: { bytes: Buffer.alloc(0), messageId: '<x@x>' },
      sender: 'n@example.com',
    }),
    permit: async () => ({
      kind: 'granted',
      grant: { relay: 'main', transmit: (transmission) => transmit(transmission, scene) },
    }),
    cutOff: new AbortController().signal,
  }
  const scene: Scene = { now: 1_000_000, calls: [], ports }
  return scene
}

const attempt = ({ ports }: Scene, changed: Partial<Delivery> = {}) =>
  runAttempt({
    delivery: { ...delivery, ...changed },
    token: 't',
    ports,
    signal: new AbortController().signal,
  })

async function sendIfAllowed({ beforeBody }: Transmission): Promise<Exchange> {
  const answer = await beforeBody()
  return answer === 'ok' ? { kind: 'accepted', response: '250 ok' } : { kind: 'stopped', answer }
}

test('a worker that stood still between its mark and its final dot for longer than its lock sends nothing', async () => {
  const scene = openScene(sendIfAllowed, async (stopped) => {
    stopped.now += lockMs + 1
    return 'ok'
  })
  // Another attempt may have been made meanwhile: what becomes of the job is not for this one to say.
  expect((await attempt(scene)).outcome).toMatchObject({ kind: 'held', reason: { code: 'superseded' } })
  expect(scene.calls).toEqual(['mark', 'release false'])
})

test('one that stood still for less than its lock sends', async () => {
  const scene = openScene(sendIfAllowed, async (stopped) => {
    stopped.now += lockMs - 1
    return 'ok'
  })
  expect((await attempt(scene)).outcome.kind).toBe('sent')
  expect(scene.calls).toEqual(['mark', 'record sent'])
})

test('what waited for its permit or its relay until its expiresAt is not sent, and not marked', async () => {
  const scene = openScene((transmission, waiting) => {
    waiting.now += 5_000
    return sendIfAllowed(transmission)
  })
  const { outcome } = await attempt(scene, { expiresAt: scene.now + 5_000 })
  expect(outcome).toMatchObject({ kind: 'failed', reason: { code: 'expired' } })
  expect(scene.calls).toEqual(['record failed'])
})

test('a relay that closes because Redis kept it waiting for the mark costs no attempt', async () => {
  const closed: Exchange = { kind: 'broken', phase: 'envelope', code: 'ETIMEDOUT', message: 'closed' }
  const never = () => new Promise<'ok'>(() => undefined)
  const askAndClose = (afterMs: number) =>
    openScene(async ({ beforeBody }, waiting) => {
      void beforeBody()
      waiting.now += afterMs
      return closed
    }, never)
  const slow = askAndClose(30_000)
  expect((await attempt(slow)).outcome).toMatchObject({
    kind: 'held',
    reason: { code: 'ledger_unreachable' },
  })
  expect(slow.calls).toEqual(['mark', 'release false'])
  // One that closes as soon as it may is no fault of Redis.
  expect((await attempt(askAndClose(20))).outcome.kind).toBe('deferred')
})

test('a delivery whose worker died many times waits once after each death, longer each time, and never fails for it', async () => {
  const outcomeAt = async (crashes: number, heldFor?: string) => {
    const scene = openScene(sendIfAllowed)
    return (await attempt(scene, { crashes, ...(heldFor === undefined ? {} : { heldFor }) })).outcome
  }
  expect((await outcomeAt(9)).kind).toBe('sent')
  const holds: number[] = []
  for (const crashes of [10, 11, 12, 1_000]) {
    const outcome = await outcomeAt(crashes)
    if (outcome.kind !== 'held') throw new Error(`it is ${outcome.kind}`)
    holds.push(outcome.holdMs)
    const { code, message } = outcome.reason
    expect((await outcomeAt(crashes, `${code} ${message}`)).kind).toBe('sent')
  }
  expect(holds).toEqual([45_000, 90_000, 180_000, 2_700_000])
})
