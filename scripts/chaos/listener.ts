// What the product says became of each delivery, as an app hears it: `queue.outcomes`, read through the whole run.
// It writes every word down and never judges; a wrong one is for the checker to find.

import { setTimeout as pause } from 'node:timers/promises'
import { FluxMailError, MailQueue } from '../../src/index.js'
import { openRecorder } from './records.js'
import { ask } from './redis.js'

export interface Listener extends AsyncDisposable {
  /** Resolves when everything that was said so far is written down. Rejects where the iterator broke. */
  heardAll(): Promise<void>
}

interface Settings {
  readonly redis: string
  readonly name: string
  /** Where the words go, as lines of JSON. */
  readonly path: string
}

const reader = { group: 'chaos', consumer: 'checker' } as const
const AGAIN_MS = 100
const PATIENCE_MS = 20_000

/** Resolves when the stream has begun, so that nothing is settled before. */
export async function openListener({ redis, name, path }: Settings): Promise<Listener> {
  const queue = new MailQueue({ redis, name })
  const recorder = openRecorder(path)
  let broken: unknown
  const listening = listen(queue, recorder.write).catch((error: unknown) => {
    broken = error
  })
  const until = async (what: string, isReached: (unread: number | undefined) => boolean) => {
    const startedAt = performance.now()
    while (!isReached(await unreadOf(redis, name))) {
      if (broken !== undefined) throw new Error('queue.outcomes() broke', { cause: broken })
      if (performance.now() - startedAt > PATIENCE_MS) throw new Error(`queue.outcomes() never ${what}`)
      await pause(AGAIN_MS)
    }
  }
  await until('began', (unread) => unread !== undefined)
  return {
    heardAll: () => until('gave what is left', (unread) => unread === 0),
    async [Symbol.asyncDispose]() {
      await queue.close()
      await listening
      recorder.close()
    },
  }
}

/** A Redis that is away ends the reading with an error that says so; what was not acknowledged is given again. */
async function listen(queue: MailQueue, write: (word: object) => void): Promise<void> {
  for (;;) {
    try {
      for await (const { id, outcome, at, ack } of queue.outcomes({ ...reader })) {
        write({ id, outcome, at: at.getTime() })
        await ack()
      }
      return
    } catch (error) {
      const code = error instanceof FluxMailError ? error.code : ''
      if (code === 'closed') return
      if (!code.startsWith('queue_')) throw error
      await pause(AGAIN_MS)
    }
  }
}

/** How much of the stream our group has not acknowledged; undefined without the group. */
async function unreadOf(redis: string, name: string): Promise<number | undefined> {
  const stream = `{${name}}:v1:outcomes`
  const group = await ask(redis, async (client) => {
    const groups = (await client.call('XINFO', 'GROUPS', stream)) as string[][]
    return groups.map(fieldsOf).find((each) => each.name === reader.group)
  }).catch(() => undefined)
  if (group === undefined) return undefined
  const given = String(group['last-delivered-id'])
  const left = await ask(redis, (client) => client.xrange(stream, `(${given}`, '+', 'COUNT', 1))
  return Number(group.pending) + left.length
}

function fieldsOf(flat: readonly string[]): Record<string, string> {
  const pairs = flat.flatMap((name, index) => (index % 2 ? [] : [[name, String(flat[index + 1])]]))
  return Object.fromEntries(pairs)
}
