// What a worker does for a lane beside deliveries: it unpacks rows, and clears away what is over.
// Each of it is done by one worker of all at a time, under a lease.

import type { Clock } from '../clock.js'
import type { RetentionConfig } from '../config.js'
import type { Gate } from '../limits/gate.js'
import type { Opening } from '../permits/desk.js'
import type { Keys, Redis } from '../redis.js'
import { createAsideStore } from '../store/aside.js'
import { createChunkStore } from '../store/chunks.js'
import { createTurns } from '../store/turns.js'
import { createGates } from './gates.js'
import { createLaneQueues } from './lane-queues.js'
import { Sweeper } from './retention.js'
import { createUnpacker } from './unpack.js'

export interface KeepersOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly lanes: readonly string[]
  readonly retention: RetentionConfig
  readonly clock: Clock
  /** As far as it is known now. */
  providerOf(address: string): string
  isOpen(gate: Gate, lane: string): Opening
  /** Tells the other shards of bounces that they have not heard of; missing where there are none. */
  carry?: (() => Promise<void>) | undefined
  onError(error: unknown, what: string): void
}

export interface Keepers {
  /** Stops; another worker may go on at once. */
  stop(): Promise<void>
  /** Lets go of the queues. */
  close(): Promise<void>
}

export function startKeepers(options: KeepersOptions): Keepers {
  const { redis, keys, lanes, retention, clock, providerOf, isOpen, carry, onError } = options
  const queues = createLaneQueues(redis, keys, lanes)
  const turns = createTurns(redis, keys)
  const chunks = createChunkStore(redis, keys)
  const store = createAsideStore(redis, keys)
  const gatesOf = (lane: string) => createGates({ store, lane, clock, isOpen })
  const notUnpacked = (error: unknown) => onError(error, 'rows could not be unpacked and will be')
  const notSwept = (error: unknown) => onError(error, 'what is over could not be cleared away and will be')
  const unpackers = lanes.map((lane) =>
    createUnpacker({
      ...{ lane, queues, turns, chunks, clock, providerOf },
      gates: gatesOf(lane),
      onError: notUnpacked,
    }),
  )
  const sweepers = lanes.map(
    (lane) => new Sweeper({ redis, keys, lane, retention, clock, carry, onError: notSwept }),
  )
  for (const sweeper of sweepers) sweeper.start()
  return {
    async stop() {
      await Promise.all([...unpackers, ...sweepers].map((keeper) => keeper.stop()))
    },
    close: () => queues.close(),
  }
}
