// The queue of the recipe everyone writes: a job for each row, with the row as its data.

import { Queue } from 'bullmq'
import { rowsOf } from './fixture/mail.mjs'

const AT_ONCE = 1_000

export async function fillRecipe(redis: string, count: number, signal?: AbortSignal): Promise<void> {
  const queue = new Queue('mail', { connection: { url: redis } })
  try {
    let jobs: { name: string; data: object }[] = []
    for (const row of rowsOf(count)) {
      jobs.push({ name: 'mail', data: row })
      if (jobs.length < AT_ONCE) continue
      signal?.throwIfAborted()
      await queue.addBulk(jobs)
      jobs = []
    }
    await queue.addBulk(jobs)
  } finally {
    await queue.close()
  }
}
