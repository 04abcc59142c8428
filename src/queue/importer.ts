// Whoever enqueues a batch says so for as long as it does, however slowly its rows come, so that who waits for the
// batch hears when nobody goes on with it.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { BatchStore, Importer } from '../store/batches.js'

/** An importer that is killed is missed after so long. */
const LIFE_MS = 30_000
const RENEW_EVERY_MS = LIFE_MS / 3

export function createImporter(): Importer {
  return { token: randomUUID(), lifeMs: LIFE_MS }
}

/** Runs what enqueues a batch, and says that it is there until it ends. */
export async function asImporter<T>(
  batches: BatchStore,
  clock: Pick<Clock, 'every'>,
  { id, importer }: { id: string; importer: Importer },
  enqueue: () => Promise<T>,
): Promise<T> {
  // One that fails is followed by another; where Redis is away, so is who waits.
  const stop = clock.every(RENEW_EVERY_MS, () => void batches.renew(id, importer).catch(() => undefined))
  try {
    return await enqueue()
  } catch (error) {
    batches.leave(id, importer).catch(() => undefined)
    throw error
  } finally {
    stop()
  }
}
