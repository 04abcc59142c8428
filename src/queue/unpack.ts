// Makes jobs of the rows that wait, a chunk at a time, only as fast as the lane drains. One worker of a lane does it,
// under a lease; one that has lost it without knowing repeats what another has done, which claim finds settled.
// It must never stop for good: what it cannot do now it does later.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { nextOpening, type SendWindow } from '../delivery/send-window.js'
import { FluxMailError } from '../errors.js'
import type { ChunkStore } from '../store/chunks.js'
import { chunkRows, isSet, type PackedRow, unpack } from '../store/packed-rows.js'
import type { Turns, WaitingChunk } from '../store/turns.js'
import type { LaneQueues, NewJob } from './lane-queues.js'
import { payloadOf, rowId } from './payload.js'
import { createPace } from './unpack-pace.js'

export interface UnpackerOptions {
  readonly lane: string
  readonly queues: LaneQueues
  readonly turns: Turns
  readonly chunks: ChunkStore
  readonly clock: Clock
  onError(error: unknown): void
}

export interface Unpacker {
  /** Stops after the chunk that is under way, and lets another worker go on at once. */
  stop(): Promise<void>
}

/** How soon a new batch is seen. */
const IDLE_MS = 200
const FULL_MS = 100
/** How often a worker that does not unpack asks whether it should. */
const OTHER_MS = 1_000
/** Redis was away or full, or something is wrong with a chunk. */
const AGAIN_MS = 1_000
/** A time zone that this worker does not know, say. */
const PUT_OFF_MS = 60_000
/** A command that Redis does not answer holds nobody up. */
const STOP_MS = 1_000
/** Jobs of a lane, whatever they do, above which each batch has few; and those of one batch at the most. */
const MOST_JOBS = 30_000
const MOST_OF_ONE_BATCH = 10_000

export function createUnpacker(options: UnpackerOptions): Unpacker {
  const { lane, turns, clock } = options
  const token = randomUUID()
  const stopping = new AbortController()
  const pace = createPace()
  let mostWaiting = pace.waiting(0, clock.monotonicMs())

  /** Does one thing, and says how long nothing need be done. */
  async function turn(): Promise<number> {
    const most = { waiting: mostWaiting, jobs: MOST_JOBS, ofOneBatch: MOST_OF_ONE_BATCH }
    const look = await turns.look({ lane, token, now: clock.now(), most })
    if (look.kind === 'other') return OTHER_MS
    mostWaiting = pace.waiting(look.settled, clock.monotonicMs())
    if (look.kind === 'idle') return IDLE_MS
    if (look.kind === 'full') return FULL_MS
    if (look.kind === 'cancelled')
      await options.chunks.skipChunk(look.batchId, lane, look.number, 'cancelled')
    else await giveTurn(look.chunk).catch((error: unknown) => putOff(look.chunk, error))
    return 0
  }

  async function giveTurn(chunk: WaitingChunk): Promise<void> {
    const sendWindow = windowIn(chunk)
    const now = clock.now()
    const opensAt = sendWindow ? nextOpening(sendWindow, now) : now
    if (opensAt > now) await turns.postpone(lane, chunk.batchId, opensAt)
    else await unpackChunk(options, chunk, sendWindow)
  }

  /** What is wrong with one batch must not stand in the way of the others. */
  async function putOff({ batchId }: WaitingChunk, error: unknown): Promise<void> {
    const isOfBatch =
      error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError
    if (!isOfBatch) throw error
    options.onError(error)
    await turns.postpone(lane, batchId, clock.now() + PUT_OFF_MS)
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const pauseMs = await turn().catch((error: unknown) => {
        if (!stopping.signal.aborted) options.onError(error)
        return AGAIN_MS
      })
      if (pauseMs > 0) await clock.sleep(pauseMs, stopping.signal)
    }
    await turns.giveBack(lane, token).catch(() => undefined)
  }

  const running = run()
  return {
    async stop() {
      stopping.abort()
      const enough = new AbortController()
      await Promise.race([running, clock.sleep(STOP_MS, enough.signal)])
      enough.abort()
    },
  }
}

function windowIn({ sendWindow }: WaitingChunk): SendWindow | undefined {
  return sendWindow === undefined ? undefined : (JSON.parse(sendWindow) as SendWindow)
}

async function unpackChunk(
  options: UnpackerOptions,
  chunk: WaitingChunk,
  sendWindow: SendWindow | undefined,
): Promise<void> {
  const { lane, queues, turns, chunks } = options
  try {
    const rows = await unpack(chunk.packed)
    const jobs = rows.flatMap((row, place) =>
      row === undefined || isSet(chunk.settled, place) ? [] : [jobOf(chunk, row, place, sendWindow)],
    )
    const deliveries = rows.filter((row) => row !== undefined).length
    const last = jobs.at(-1)
    const witness = last && queues.keyOf(lane, last.id)
    await queues.add(lane, jobs, turns.drop(lane, chunk, deliveries, witness))
  } catch (error) {
    if (!(error instanceof FluxMailError && error.code === 'invalid_payload')) throw error
    // It would stand in everybody's way for ever.
    options.onError(error)
    await chunks.failChunk(chunk.batchId, lane, chunk.number, error.code)
  }
}

function jobOf(
  chunk: WaitingChunk,
  [address, name, variables, files]: PackedRow,
  place: number,
  sendWindow: SendWindow | undefined,
): NewJob {
  const { batchId, number, contentHash, createdAt, route, expiresAt } = chunk
  return {
    id: rowId(batchId, number * chunkRows + place),
    delayMs: 0,
    enqueuedAt: createdAt,
    payload: payloadOf({
      contentHash,
      recipient: name === null ? { address } : { address, name },
      variables,
      route,
      expiresAt,
      sendWindow,
      inBatch: true,
      files,
    }),
  }
}
