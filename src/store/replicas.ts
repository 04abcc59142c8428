// `durability: 'replicated'`: an acknowledgement, and a wire mark, stand once a replica has them too.
// All who ask in the same moment wait together, on a connection of its own, so that nothing else waits behind them.
// It must never confirm what a primary took that has been replaced meanwhile: the new one may never have had it.

import { randomUUID } from 'node:crypto'
import { FluxMailError } from '../errors.js'
import { beyondMemoryLua, defineScript, type Keys, type Redis, ready } from '../redis.js'
import type { Ledger } from './ledger.js'

export interface Replicas {
  /**
   * To be called before something is written; what it returns resolves when a replica has it, and rejects with
   * `queue_unavailable` when none has it in time, or when the primary may have been another one in between.
   */
  begin(): () => Promise<void>
}

export interface ReplicasOptions {
  /** The connection on which everything is written that is to be confirmed. */
  readonly writer: Redis
  /** One of its own, to wait on. */
  readonly waiter: Redis
  readonly keys: Keys
}

/** How long a replica may take. */
const REPLICA_MS = 1_000
const TOKEN_MS = 60_000

// KEYS token; ARGV number, ms it is kept
const LEAVE = `
${beyondMemoryLua}
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`

export function createReplicas({ writer, waiter, keys }: ReplicasOptions): Replicas {
  const leave = defineScript(writer, 'fluxmailLeaveToken', 1, LEAVE)
  const token = keys.replicated(randomUUID())
  let asked = 0
  let connections = 0
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined
  writer.on('close', () => {
    connections += 1
  })

  async function ask(): Promise<void> {
    asked += 1
    await Promise.all([ready(waiter), leave([token], [asked, TOKEN_MS])])
    // Whoever finds the token asks the server that has all that was written before it. A wait covers what its own
    // connection has written, so that writes as well (what takes no memory): a replica that has it has all before it.
    const [found, , replicas] = await Promise.all([
      waiter.get(token),
      waiter.pexpire(token, TOKEN_MS),
      waiter.wait(1, REPLICA_MS),
    ])
    if (found !== String(asked)) throw replaced()
    if (replicas < 1) throw unconfirmed()
  }

  /** One wait for all who ask until it begins. */
  function confirm(): Promise<void> {
    // The one that is under way may have begun before the caller's write.
    next ??= running.then(() => {
      next = undefined
      const answer = ask()
      running = answer.catch(() => undefined)
      return answer
    })
    return next
  }

  return {
    begin() {
      const begun = connections
      return async () => {
        if (connections === begun) await confirm()
        // What was acknowledged on the earlier connection may have been so by a primary that is gone.
        if (connections !== begun) throw replaced()
      }
    },
  }
}

const again = 'what has an idempotencyKey or a batchId can be enqueued again with the same'

function unconfirmed(): FluxMailError {
  return new FluxMailError(
    'queue_unavailable',
    `no replica of Redis confirmed the write within ${REPLICA_MS} ms; the primary has it and may yet lose it: ${again}`,
  )
}

function replaced(): FluxMailError {
  return new FluxMailError(
    'queue_unavailable',
    `the connection to Redis was lost while it wrote, and the primary may be another one now: ${again}`,
  )
}

/** A ledger whose marks stand on a replica before anything is sent; one that does not is taken back. */
export function replicatedMarks(ledger: Ledger, replicas: Replicas): Ledger {
  return {
    ...ledger,
    async mark(entry, token, options) {
      const confirm = replicas.begin()
      const answer = await ledger.mark(entry, token, options)
      if (answer !== 'ok') return answer
      try {
        await confirm()
      } catch (error) {
        await ledger.release(entry, token)
        throw error
      }
      return answer
    },
  }
}
