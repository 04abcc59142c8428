// Carries the plan out, each action at its time, and heals what it did before it ends.
// What is hit by an action is not hit by another one meanwhile: that one is left out, and said.

import type { Child } from './child.js'
import type { Fleet } from './fleet.js'
import type { DotFate, Line } from './line.js'
import type { Action, ActionKind } from './plan.js'
import { createRandom, type Random } from './random.js'
import type { StopOrder } from './records.js'
import type { ChaosRedis } from './redis.js'
import { login } from './settings.js'

export interface Battlefield {
  readonly fleet: Fleet
  readonly line: Line
  readonly redis: ChaosRedis
  readonly sink: Child
  readonly generator: Child
}

export interface Deed {
  readonly action: Action
  readonly done: boolean
}

type Target = 'worker 0' | 'worker 1' | 'redis' | 'line' | 'login' | 'batch'

const pause = (ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(leave, ms)
    function leave() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
      resolve()
    }
    signal?.addEventListener('abort', leave)
    if (signal?.aborted) leave()
  })

/** From beyond its limit to a little below it, so that now producers alone are refused, now everybody. */
const freeBytesFrom = -300_000
const freeBytesPerShare = 5_000

/** Resolves when every action has been done and undone. */
export async function attack(
  field: Battlefield,
  plan: readonly Action[],
  seed: number,
  say: (deed: Deed) => void,
  signal: AbortSignal,
): Promise<Deed[]> {
  const startedAt = performance.now()
  const busy = new Set<Target>()
  const random = createRandom(seed, 'dots')
  const underWay: Promise<void>[] = []
  const deeds: Deed[] = []
  for (const action of plan) {
    await pause(startedAt + action.atMs - performance.now(), signal)
    if (signal.aborted) break
    const target = targetOf(action)
    const deed = { action, done: !busy.has(target) && isPossible(action, field) }
    deeds.push(deed)
    say(deed)
    if (!deed.done) continue
    busy.add(target)
    const doing = act(field, action, random).finally(() => busy.delete(target))
    // What goes wrong in it is told at the end.
    doing.catch(() => undefined)
    underWay.push(doing)
  }
  await Promise.all(underWay)
  return deeds
}

function targetOf({ kind, worker }: Action): Target {
  if (kind.endsWith('-worker')) return `worker ${worker}`
  if (kind.endsWith('-redis')) return 'redis'
  if (kind.endsWith('-batch')) return 'batch'
  return kind === 'wrong-password' ? 'login' : 'line'
}

function isPossible({ kind }: Action, { redis }: Battlefield): boolean {
  return redis.isPrivate || !kind.endsWith('-redis')
}

type Deeds = Readonly<Record<ActionKind, () => Promise<void>>>

async function act(field: Battlefield, action: Action, random: Random): Promise<void> {
  const { fleet, redis, line } = field
  const { forMs, worker, share } = action
  const deeds: Deeds = {
    'kill-worker': () => fleet.kill(worker, forMs),
    'stop-worker': () => fleet.stop(worker, forMs),
    'freeze-worker': () => fleet.freeze(worker, forMs),
    'kill-redis': () => redis.killFor(forMs),
    'pause-redis': () => redis.freezeFor(forMs),
    'fill-redis': () => redis.fillFor(forMs, freeBytesFrom + share * freeBytesPerShare),
    'cut-after-dot': () => atDots(line, 'cut', action, random),
    'swallow-reply': () => atDots(line, 'swallow', action, random),
    'stall-line': () => stall(line, forMs),
    'refuse-line': () => refuse(line, forMs),
    'wrong-password': () => changePassword(field, forMs),
    'pause-batch': () => stopBatch(field, action, 'paused'),
    'cancel-batch': () => stopBatch(field, action, 'cancelled'),
  }
  await deeds[action.kind]()
}

async function atDots(line: Line, fate: DotFate, { forMs, share }: Action, random: Random): Promise<void> {
  line.atDot = () => (random.percent(share) ? fate : 'pass')
  await pause(forMs)
  line.atDot = () => 'pass'
}

async function stall(line: Line, forMs: number): Promise<void> {
  line.stalled = true
  await pause(forMs)
  line.stalled = false
}

async function refuse(line: Line, forMs: number): Promise<void> {
  line.refusing = true
  line.cutAll()
  await pause(forMs)
  line.refusing = false
}

/** Connections that are open stay logged in, so they are cut: the next ones have to log in. */
async function changePassword({ sink, line }: Battlefield, forMs: number): Promise<void> {
  sink.send({ password: 'changed' })
  line.cutAll()
  await pause(forMs)
  sink.send({ password: login.password })
}

/** Whoever enqueues batches stops one of which a part is out. */
async function stopBatch(field: Battlefield, { forMs }: Action, how: StopOrder['how']): Promise<void> {
  const order: StopOrder = { how, forMs }
  field.generator.send(order)
  await pause(forMs)
}
