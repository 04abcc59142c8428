// BullMQ's own move of a finished job back to where jobs wait, in one transaction with the script that allows it.
// The script puts the job into a set of its own, where alone the move looks: refused, the move finds nothing to do.

import type { Queue } from 'bullmq'
import type { Redis, ScriptCall } from '../redis.js'

/** The set of jobs between the script and the move, as BullMQ calls a state of jobs. */
const STATE = 'returning'
const MOVED = 1

/** Runs `allow` and the move; resolves to what `allow` answered. Attempts begin anew. */
export async function moveBack(queue: Queue, id: string, allow: ScriptCall): Promise<string> {
  const client = await queue.backend.client
  const transaction = client.multi()
  transaction.runCommand(allow.name, [...allow.args])
  queue.backend.execCommand(transaction, 'reprocessJob', moveArguments(queue, id))
  const answers = (await transaction.exec()) ?? []
  const [refused, answer] = answers[0] ?? [new Error('the transaction was discarded'), undefined]
  if (refused) {
    // Redis forgot a script that this connection has sent; inside a transaction nobody sends it again.
    if (/NOSCRIPT/.test(refused.message)) client.disconnect(true)
    throw refused
  }
  // The script that moves may be what Redis forgot: outside a transaction it is sent again.
  if (answer === 'reopened' && answers[1]?.[1] !== MOVED) await move(queue, id)
  return String(answer)
}

/** Moves what a process left behind that ended between the two, as only a Redis without scripts can make it do. */
export async function moveLeftBehind(queue: Queue, redis: Redis): Promise<void> {
  const ids = await redis.zrange(queue.toKey(STATE), 0, '-1')
  for (const id of ids) await move(queue, id)
}

async function move(queue: Queue, id: string): Promise<void> {
  const client = await queue.backend.client
  await queue.backend.execCommand(client, 'reprocessJob', moveArguments(queue, id))
}

/** KEYS and ARGV of BullMQ's script. */
function moveArguments(queue: Queue, id: string): (string | number)[] {
  const { events, wait, meta, active, marker, prioritized, pc } = queue.keys
  const named = [queue.toKey(id), events, queue.toKey(STATE), wait, meta, active, marker, prioritized, pc]
  const begunAnew = ['1', '1']
  return [...named.map(String), id, 'LPUSH', 'failedReason', 'failed', ...begunAnew]
}
