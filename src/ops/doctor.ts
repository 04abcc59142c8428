// What is wrong with the surroundings of a worker: pure checks over facts, each with the command or option that mends it.
// A finding that is refused means that mail would be lost or sent twice without anybody noticing.

export interface RedisFacts {
  /** Of Redis or what calls itself so, such as `7.0.15`. */
  readonly version: string | undefined
  /** What Redis does when memory is full; undefined where it does not say. */
  readonly evictionPolicy: string | undefined
  readonly appendOnly: boolean | undefined
  /** Replicas that are connected now. */
  readonly replicas: number | undefined
  /** How far our clock is ahead of that of Redis. */
  readonly clockAheadMs: number
  /** How redis-cli is told where it is: `-h host -p port`. */
  readonly address: string
}

export interface WorkerFacts {
  /** Deliveries at once, of one lane. */
  readonly concurrency: number
  /** Connections to all relays together. */
  readonly connections: number
  /** Relays with neither a rate nor tuning. */
  readonly unbridled: readonly string[]
  readonly lockMs: number
  readonly durability: 'primary' | 'replicated'
}

export interface Facts {
  readonly redis: RedisFacts
  /** For how long the event loop was kept from running, at the most. */
  readonly eventLoopLagMs: number
  /** Undefined where no worker is configured. */
  readonly worker: WorkerFacts | undefined
}

export interface Finding {
  readonly check: string
  readonly verdict: 'ok' | 'warning' | 'refused'
  readonly message: string
  /** The command or the option that mends it. */
  readonly mend?: string
}

type Problem = Omit<Finding, 'check'> | undefined
type Check = (facts: Facts) => Problem

const OLDEST_REDIS = [6, 2] as const
const CLOCK_MS = 2_000
/** Of the lock: BullMQ renews it at half its time. */
const LAG_SHARE = 0.25
/** For each connection one delivery on the wire and one being prepared. */
const PER_CONNECTION = 2
const DEFAULT_LOCK_MS = 30_000

const checks: Readonly<Record<string, Check>> = {
  eviction: ({ redis }) => eviction(redis),
  'append-only file': ({ redis }) => appendOnly(redis),
  'redis version': ({ redis }) => version(redis),
  clock: ({ redis }) => clock(redis),
  'event loop': eventLoop,
  connections: ({ worker }) => connections(worker),
  limits: ({ worker }) => limits(worker),
  replica: replica,
}

/** One finding for each check, in the order of the table. */
export function examine(facts: Facts): Finding[] {
  return Object.entries(checks).map(([check, find]) => ({
    check,
    ...(find(facts) ?? { verdict: 'ok', message: fine(check, facts) }),
  }))
}

function warning(message: string, mend: string): Problem {
  return { verdict: 'warning', message, mend }
}

function config({ address }: RedisFacts, setting: string): string {
  return `redis-cli ${address} CONFIG SET ${setting}, and the same in redis.conf (hosted: in its parameters)`
}

function eviction(redis: RedisFacts): Problem {
  const { evictionPolicy: policy } = redis
  if (policy === 'noeviction') return undefined
  const mend = config(redis, 'maxmemory-policy noeviction')
  if (policy === undefined) return warning('Redis does not say what it does when its memory is full', mend)
  const message = `the eviction policy is ${policy}: a full Redis would throw mail away, and nobody would know`
  return { verdict: 'refused', message, mend }
}

function appendOnly(redis: RedisFacts): Problem {
  if (redis.appendOnly !== false) return undefined
  return warning('the append-only file is off: a restart loses mail', config(redis, 'appendonly yes'))
}

function version({ version: text }: RedisFacts): Problem {
  if (text === undefined) return warning('Redis does not say its version', 'use Redis 6.2 or later')
  const [major = 0, minor = 0] = text.split('.').map(Number)
  const [oldest, oldestMinor] = OLDEST_REDIS
  if (major > oldest || (major === oldest && minor >= oldestMinor)) return undefined
  return warning(
    `Redis is ${text}, older than ${OLDEST_REDIS.join('.')}`,
    'install Redis 6.2 or later, or Valkey',
  )
}

function clock({ clockAheadMs }: RedisFacts): Problem {
  if (Math.abs(clockAheadMs) <= CLOCK_MS) return undefined
  const seconds = (Math.abs(clockAheadMs) / 1000).toFixed(1)
  const message = `this clock is ${seconds} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of Redis: mail goes out ${clockAheadMs > 0 ? 'early' : 'late'}`
  return warning(message, 'timedatectl set-ntp true, on both machines')
}

function eventLoop({ eventLoopLagMs, worker }: Facts): Problem {
  const lockMs = worker?.lockMs ?? DEFAULT_LOCK_MS
  if (eventLoopLagMs < lockMs * LAG_SHARE) return undefined
  return warning(
    `the event loop stood still for ${Math.round(eventLoopLagMs)} ms, and a lock lasts ${lockMs} ms`,
    'a lower `concurrency` (FLUXMAIL_CONCURRENCY), a longer `lockMs`, or a faster machine',
  )
}

function connections(worker: WorkerFacts | undefined): Problem {
  if (worker === undefined || worker.concurrency <= PER_CONNECTION * worker.connections) return undefined
  const { concurrency, connections: open } = worker
  return warning(
    `${concurrency} deliveries at once share ${open} connections: most of them only wait`,
    '`maxConnectionsPerWorker` of the relay (FLUXMAIL_MAX_CONNECTIONS_PER_WORKER) and its `maxConnections`, or a lower `concurrency` (FLUXMAIL_CONCURRENCY)',
  )
}

function limits(worker: WorkerFacts | undefined): Problem {
  if (worker === undefined || worker.unbridled.length === 0) return undefined
  return warning(
    `${worker.unbridled.join(', ')}: no rate, and none that follows what the relay says: it is sent to as fast as it answers`,
    '`ratePerSecond` of the relay (FLUXMAIL_RATE_PER_SECOND), or `selfTuning: true`',
  )
}

function replica({ redis, worker }: Facts): Problem {
  if (worker?.durability !== 'replicated' || redis.replicas !== 0) return undefined
  return warning(
    "`durability` is 'replicated' and no replica is connected: nothing can be sent",
    'redis-cli REPLICAOF <host> <port> on the replica',
  )
}

function fine(check: string, { redis, eventLoopLagMs, worker }: Facts): string {
  const said: Readonly<Record<string, string>> = {
    eviction: 'noeviction: a full Redis refuses, and throws nothing away',
    'append-only file': redis.appendOnly ? 'on' : 'not said',
    'redis version': `${redis.version}`,
    clock: `${Math.round(Math.abs(redis.clockAheadMs))} ms off`,
    'event loop': `stood still for ${Math.round(eventLoopLagMs)} ms at the most`,
    connections: worker
      ? `${worker.concurrency} deliveries at once, ${worker.connections} connections`
      : 'no worker is configured here',
    limits: worker
      ? 'every relay has a rate, or one that follows what it says'
      : 'no worker is configured here',
    replica:
      worker?.durability === 'replicated' ? `${redis.replicas ?? 'not said'} connected` : 'not asked for',
  }
  return said[check] ?? ''
}
