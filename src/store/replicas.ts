// `durability: 'replicated'`: an acknowledgement, and a wire mark, stand once a replica has them too.
// All who ask in the same moment wait together, on a connection of its own, so that nothing else waits behind them.

import { FluxMailError } from '../errors.js'
import { beyondMemoryLua, defineScript, type Keys, type Redis, ready } from '../redis.js'
import type { Ledger } from './ledger.js'

export interface Replicas {
  /**
   * Resolves when a replica has all that was written before this call, on whatever connection.
   *
   * @throws FluxMailError `queue_unavailable` when none has it in time
   */
  confirm(): Promise<void>
}

/** How long a replica may take. */
const REPLICA_MS = 1_000

// A wait covers what its own connection has written, so this write goes before each: a replica that has it
// has everything before it. KEYS counter.
const BEAT = `
${beyondMemoryLua}
return redis.call('INCR', KEYS[1])
`

export function createReplicas(redis: Redis, keys: Keys): Replicas {
  const beat = defineScript(redis, 'fluxmailBeat', 1, BEAT)
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined

  async function ask(): Promise<void> {
    await ready(redis)
    const [, replicas] = await Promise.all([beat([keys.replicated], []), redis.wait(1, REPLICA_MS)])
    if (replicas >= 1) return
    throw new FluxMailError(
      'queue_unavailable',
      `no replica of Redis confirmed the write within ${REPLICA_MS} ms; the primary has it and may yet lose it: ` +
        'what has an idempotencyKey or a batchId can be enqueued again with the same',
    )
  }

  return {
    confirm() {
      // The one that is under way may have begun before the caller's write.
      next ??= running.then(() => {
        next = undefined
        const asked = ask()
        running = asked.catch(() => undefined)
        return asked
      })
      return next
    },
  }
}

/** A ledger whose marks stand on a replica before anything is sent; one that does not is taken back. */
export function replicatedMarks(ledger: Ledger, replicas: Replicas): Ledger {
  return {
    ...ledger,
    async mark(entry, token, options) {
      const answer = await ledger.mark(entry, token, options)
      if (answer !== 'ok') return answer
      try {
        await replicas.confirm()
      } catch (error) {
        await ledger.release(entry, token)
        throw error
      }
      return answer
    },
  }
}
