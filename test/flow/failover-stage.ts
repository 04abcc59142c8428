// What both kinds of failover are tested with: callers that go on enqueueing, and what became of it.

import { MailQueue } from '../../src/index.js'
import { type MailFlow, openMailFlow, quickLanes } from '../helpers/mail-flow.js'

/** Nothing is sent again that may have been sent, in either lane. */
const lanes = Object.fromEntries(
  Object.entries(quickLanes).map(([lane, rule]) => [lane, { ...rule, unknown: 'hold' as const }]),
)

/** A flow whose queue and workers wait for a replica; its workers find lost locks soon, and say nothing of it. */
export async function openReplicatedFlow(
  url: string,
  durability: 'primary' | 'replicated' = 'replicated',
): Promise<MailFlow> {
  const flow = await openMailFlow({ latencyMs: 5 }, url)
  const queue = new MailQueue({ redis: url, name: flow.name, durability })
  return {
    ...flow,
    queue,
    work: () => flow.work({ durability, lockMs: 2_000, lanes, logLevel: 'silent' }),
    async [Symbol.asyncDispose]() {
      await queue.close()
      await flow[Symbol.asyncDispose]()
    },
  }
}

export interface Acknowledged {
  /** Deliveries that were acknowledged, and calls that were refused. */
  counts(): [acknowledged: number, refused: number]
  /** Ends the callers; resolves to the ids of what was acknowledged to them. */
  stop(): Promise<string[]>
}

const CALLERS = 8

/** Callers that enqueue one mail after another, whatever becomes of each. */
export function acknowledging({ queue, mail }: MailFlow): Acknowledged {
  const ids: string[] = []
  let [refused, isOver] = [0, false]
  const caller = async (index: number) => {
    for (let count = 0; !isOver; count += 1) {
      const recipients = [`c${index}-${count}@example.com`]
      const email = mail.create({ subject: 'Hi', body: 'Hi', recipients })
      const receipt = await queue.enqueue(email).catch(() => undefined)
      if (receipt === undefined) refused += 1
      else ids.push(...receipt.deliveries.map(({ id }) => id))
      // Refused at once, it would keep all others from running.
      if (receipt === undefined) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const callers = Array.from({ length: CALLERS }, (_, index) => caller(index))
  return {
    counts: () => [ids.length, refused],
    async stop() {
      isOver = true
      await Promise.all(callers)
      return ids
    },
  }
}

/** Messages that the sink has more than once. */
export function sentTwice({ sink }: MailFlow): number {
  return [...sink.copies().values()].filter((copies) => copies > 1).length
}
