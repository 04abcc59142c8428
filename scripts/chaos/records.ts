// The two records that the checker trusts, what was acknowledged and what the sink saw, and what the product said.
// Lines of JSON in files: a line that is there was written, whatever became of its writer later.

import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { SinkEvent } from '../../src/sink/sink.js'
import type { Letter, ReadLetter } from './letter.js'
import type { Lane } from './settings.js'

/** Written before an enqueue: what may arrive from then on. */
export interface Intent extends Letter {
  readonly kind: 'intent'
  readonly recipients: readonly string[]
  readonly lane: Lane
}

/** Written once an enqueue has returned: what has to arrive. */
export interface Acknowledgement {
  readonly kind: 'acknowledged'
  readonly lane: Lane
  readonly batch?: string
  readonly deliveries: readonly { readonly id: string; readonly recipient: string }[]
}

/** What the nemesis orders for a batch that is under way. */
export interface StopOrder {
  readonly how: 'paused' | 'cancelled'
  readonly forMs: number
}

/** Written once a batch has been paused and is about to be resumed, or has been cancelled. */
export interface Stopped {
  readonly kind: 'stopped'
  readonly how: StopOrder['how']
  readonly batch: string
  /** When the call had resolved, and when it was to go on, in milliseconds since 1970. */
  readonly from: number
  readonly until?: number
  /** The deliveries that were settled or had their wire mark by then. */
  readonly marked: readonly string[]
}

export type ReceiptLine = Intent | Acknowledgement | Stopped

/** One outcome of one delivery, as `queue.outcomes` gave it. */
export interface Word {
  readonly id: string
  readonly outcome: string
  /** When it was settled, in milliseconds since 1970. */
  readonly at: number
}

type Stamped<T> = T & { readonly at: number }
/** A message with what it was read as; `to` is its envelope, exactly as on the wire. */
export type WholeEvent = SinkEvent & { readonly kind: 'whole' } & ReadLetter & {
    readonly to: readonly string[]
  }
/** `at` is the sink's clock, in milliseconds since 1970. */
export type SinkLine = Stamped<Exclude<SinkEvent, { kind: 'whole' }> | WholeEvent>

export interface Recorder {
  write(line: object): void
  /** Writes and waits until the disk has it. */
  writeSurely(line: object): void
  close(): void
}

export function openRecorder(path: string): Recorder {
  const file = openSync(path, 'a')
  const write = (line: object) => void writeSync(file, `${JSON.stringify(line)}\n`)
  return {
    write,
    writeSurely(line) {
      write(line)
      fsyncSync(file)
    },
    close: () => closeSync(file),
  }
}

export function readRecord<T>(path: string): T[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  // The last one is empty, or half a line of a writer that was killed.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as T)
}
