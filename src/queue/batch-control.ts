// Pause, resume and cancel of a batch, and what is observed of one while it runs.
// What is stopped stands in Redis before anything else is done, so that a caller that dies leaves nothing half stopped.

import { hostname } from 'node:os'
import { z } from 'zod'
import type { Clock } from '../clock.js'
import { readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import type { BatchControlStore, Stopped, StoredStop } from '../store/batch-control.js'
import type { BatchStore } from '../store/batches.js'
import type { ChunkStore } from '../store/chunks.js'
import type { LaneQueues } from './lane-queues.js'

export interface StopOptions {
  /** Why, for whoever looks at the batch: up to 200 characters. */
  reason?: string | undefined
  /** Who does it; the name of this machine unless given. */
  by?: string | undefined
}

export interface BatchControl {
  /** Resolves to whether it was not paused before. */
  pause(id: string, options: StopOptions): Promise<boolean>
  /** Resolves to whether it was paused. */
  resume(id: string): Promise<boolean>
  /** Resolves to whether it was not cancelled before. */
  cancel(id: string, options: StopOptions): Promise<boolean>
}

export interface BatchControlContext {
  readonly control: BatchControlStore
  readonly batches: Pick<BatchStore, 'read'>
  readonly chunks: Pick<ChunkStore, 'numbers' | 'skipChunk'>
  readonly lanes: Pick<LaneQueues, 'promote'>
  readonly clock: Pick<Clock, 'now' | 'sleep'>
}

const words = z.string().min(1).max(200)
const schema = z.strictObject({ reason: words.optional(), by: words.optional() })

/** Chunks that are skipped at the same time. */
const AT_ONCE = 8
/** What was just being held when it was looked for is found a moment later. */
const LOOKS = 3
const LOOK_AGAIN_MS = 100

export function createBatchControl(context: BatchControlContext): BatchControl {
  const { control, lanes, clock } = context

  async function laneOf(id: string): Promise<string> {
    const batch = await context.batches.read(id)
    if (batch === undefined) throw notFound(id)
    return batch.lane
  }

  function stopOf(options: StopOptions, call: string): StoredStop {
    return { at: clock.now(), by: hostname(), ...parseStopOptions(options, call) }
  }

  async function promote(id: string, lane: string, isMeant: (heldFor: string) => boolean): Promise<void> {
    for await (const page of control.delayed(id, lane)) {
      const meant = page.filter(({ heldFor }) => isMeant(heldFor))
      await lanes.promote(
        lane,
        meant.map((job) => job.id),
      )
    }
  }

  async function skipRows(id: string, lane: string): Promise<void> {
    const numbers = await context.chunks.numbers(id)
    for (let first = 0; first < numbers.length; first += AT_ONCE) {
      const some = numbers.slice(first, first + AT_ONCE)
      await Promise.all(some.map((number) => context.chunks.skipChunk(id, lane, number, 'cancelled')))
    }
  }

  return {
    async pause(id, options) {
      const stop = stopOf(options, 'pause')
      return isNew(id, await control.pause(id, await laneOf(id), stop))
    },
    async resume(id) {
      const lane = await laneOf(id)
      const wasPaused = isNew(id, await control.resume(id, lane))
      await promote(id, lane, (heldFor) => heldFor.startsWith('paused '))
      return wasPaused
    },
    async cancel(id, options) {
      const stop = stopOf(options, 'cancel')
      const lane = await laneOf(id)
      const answer = await control.cancel(id, lane, stop)
      await skipRows(id, lane)
      for (let look = 0; look < LOOKS; look += 1) {
        await promote(id, lane, () => true)
        if ((await control.observe(id, lane)).active === 0) break
        await clock.sleep(LOOK_AGAIN_MS)
      }
      await control.finish(id)
      return isNew(id, answer)
    },
  }
}

/** @throws FluxMailError `invalid_params` */
function parseStopOptions(options: StopOptions, call: string) {
  const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
  if ('problems' in read) {
    const { problems } = read
    throw new FluxMailError('invalid_params', `${call}: ${problems.join('; ')}`, { details: { problems } })
  }
  const { reason, by } = read.data
  return { ...(reason === undefined ? {} : { reason }), ...(by === undefined ? {} : { by }) }
}

function isNew(id: string, answer: Stopped): boolean {
  if (answer === 'missing') throw notFound(id)
  if (answer === 'cancelled') {
    const message = `batch ${id} was cancelled, and can be neither paused nor resumed; enqueue its rows as a new batch`
    throw new FluxMailError('batch_cancelled', message, { details: { batchId: id } })
  }
  return answer === 'done'
}

function notFound(id: string): FluxMailError {
  return new FluxMailError('batch_not_found', `there is no batch ${id}`)
}
