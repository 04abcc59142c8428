// Makes jobs of the rows that wait, a chunk at a time, only as fast as the lane drains. One worker of a lane does it,
// under a lease; one that has lost it without knowing repeats what another has done, which claim finds settled.
// It must never stop for good: what it cannot do now it does later.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { nextOpening, type SendWindow } from '../delivery/send-window.js'
import { FluxMailError } from '../errors.js'
import { gateName } from '../limits/gate.js'
import type { ChunkStore } from '../store/chunks.js'
import { chunkBytes, chunkRows, isSet, type PackedRow, setBit, unpack } from '../store/packed-rows.js'
import type { Turns, WaitingChunk } from '../store/turns.js'
import { within } from '../within.js'
import type { Gates } from './gates.js'
import type { LaneQueues, NewJob } from './lane-queues.js'
import { payloadOf, rowId } from './payload.js'
import { createPace } from './unpack-pace.js'

export interface UnpackerOptions {
  readonly lane: string
  readonly queues: LaneQueues
  readonly turns: Turns
  readonly chunks: ChunkStore
  readonly gates: Gates
  readonly clock: Clock
  /** As far as it is known now. */
  providerOf(address: string): string
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
const OTHER_MS = 250
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
  const { lane, turns, gates, clock } = options
  const token = randomUUID()
  const stopping = new AbortController()
  const pace = createPace()
  let mostWaiting = pace.waiting(0, clock.monotonicMs())
  let isOwner = false

  /** Does one thing, and says how long nothing need be done. */
  async function turn(): Promise<number> {
    const most = { waiting: mostWaiting, jobs: MOST_JOBS, ofOneBatch: MOST_OF_ONE_BATCH }
    const shut = await gates.look(isOwner)
    const look = await turns.look({ lane, token, now: clock.now(), most, shut })
    isOwner = look.kind !== 'other'
    if (look.kind === 'other') return OTHER_MS
    mostWaiting = pace.waiting(look.settled, clock.monotonicMs())
    if (look.kind === 'idle') return IDLE_MS
    if (look.kind === 'full') return FULL_MS
    if (look.kind === 'cancelled')
      await options.chunks.skipChunk(look.batchId, lane, look.number, 'cancelled')
    else await giveTurn(look.chunk, shut).catch((error: unknown) => putOff(look.chunk, error))
    return 0
  }

  async function giveTurn(chunk: WaitingChunk, shut: ReadonlySet<string>): Promise<void> {
    const sendWindow = windowIn(chunk)
    const now = clock.now()
    const opensAt = sendWindow ? nextOpening(sendWindow, now) : now
    if (opensAt > now) await turns.postpone(lane, chunk.batchId, opensAt)
    else await unpackChunk(options, chunk, { sendWindow, shut })
  }

  /** What is wrong with one batch must not stand in the way of the others. */
  async function putOff({ batchId }: WaitingChunk, error: unknown): Promise<void> {
    if (!isOfBatch(error)) throw error
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
      await within(running, STOP_MS, clock)
    },
  }
}

function isOfBatch(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError
}

function windowIn({ sendWindow }: WaitingChunk): SendWindow | undefined {
  return sendWindow === undefined ? undefined : (JSON.parse(sendWindow) as SendWindow)
}

interface Terms {
  readonly sendWindow: SendWindow | undefined
  readonly shut: ReadonlySet<string>
}

async function unpackChunk(options: UnpackerOptions, chunk: WaitingChunk, terms: Terms): Promise<void> {
  const { lane, queues, turns, chunks } = options
  try {
    const rows = await unpack(chunk.packed)
    const { jobs, deliveries, ...taken } = sorted(options, chunk, rows, terms)
    const last = jobs.at(-1)
    const witness = last && queues.keyOf(lane, last.id)
    await queues.add(lane, jobs, turns.drop(lane, chunk, deliveries, witness, taken))
  } catch (error) {
    if (!(error instanceof FluxMailError && error.code === 'invalid_payload')) throw error
    // It would stand in everybody's way for ever.
    options.onError(error)
    await chunks.failChunk(chunk.batchId, lane, chunk.number, error.code)
  }
}

/** Which rows become jobs, and which stay because their gate is shut. What is settled goes either way. */
function sorted(
  { providerOf }: UnpackerOptions,
  chunk: WaitingChunk,
  rows: readonly (PackedRow | undefined)[],
  { sendWindow, shut }: Terms,
) {
  const { route } = chunk
  const isRouteShut = shut.has(gateName({ route }))
  const bits = Buffer.alloc(chunkBytes)
  const left = new Set<string>()
  const jobs: NewJob[] = []
  let deliveries = 0
  for (const [place, row] of rows.entries()) {
    if (row === undefined) continue
    const isPending = !isSet(chunk.settled, place)
    const provider = providerOf(row[0])
    const gate = gateName({ provider, route })
    if (isPending && (isRouteShut || shut.has(gate))) {
      left.add(gate)
      continue
    }
    setBit(bits, place)
    deliveries += 1
    if (isPending) jobs.push(jobOf(chunk, row, { place, provider, sendWindow }))
  }
  return { jobs, deliveries, bits, left: [...left] }
}

function jobOf(
  chunk: WaitingChunk,
  [address, name, variables, files]: PackedRow,
  { place, provider, sendWindow }: { place: number; provider: string; sendWindow: SendWindow | undefined },
): NewJob {
  const { batchId, number, contentHash, createdAt, route, expiresAt } = chunk
  return {
    id: rowId(batchId, number * chunkRows + place),
    delayMs: 0,
    provider,
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
