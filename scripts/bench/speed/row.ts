// What the benchmark is made of: sides, each of which is measured once a run, and rows, which compare two sides or look
// at one. A side that several rows compare is measured once for all of them.

import type { Target } from './figures.js'
import type { Pace, SizeName } from './sizes.js'

export interface Bench extends Pace {
  /** The newsletter with its CSS inlined, as all peers send it. */
  readonly inlined: string
  /** An RSA-2048 key in PEM. */
  readonly dkimKey: string
  /** The record of its public half, as DNS would have it. */
  readonly dkimRecord: string
  /** Of FluxMail (Python), where it was named. */
  readonly python?: string | undefined
  readonly signal: AbortSignal
  /** Hears how far it is. */
  say(text: string): void
}

/** What one run of one side measured. Times are of one message, by the CPU's clock unless they are waited for. */
export interface Reading {
  /** Messages, or rows. */
  readonly perSecond?: number
  /** Of the sending process. */
  readonly cpuMs?: number | undefined
  /** Of its main thread, where the system tells it. */
  readonly mainMs?: number | undefined
  /** Of Redis. */
  readonly redisMs?: number | undefined
  /** Of the sending process at the end: MB. */
  readonly residentMb?: number
  /** Of Redis, for each row: bytes. */
  readonly rowBytes?: number
  /** How often Redis has the attachment's bytes. */
  readonly copies?: number
  /** Waited for by half of the messages, and by 99 of 100: milliseconds. */
  readonly median?: number
  readonly p99?: number
  /** Of juice alone. */
  readonly juiceMs?: number
}

export type Measure = keyof Reading

/** Where a sender finds its work and takes it. */
export interface Place {
  readonly redis: string
  readonly port: number
  readonly count: number
}

export interface Running extends AsyncDisposable {
  /** Aborted when it ended by itself. */
  readonly lost: AbortSignal
}

/** A look at what a side sends, apart from any timing. */
export interface Proof {
  readonly count: number
  readonly attachment?: boolean | undefined
  readonly dkim?: boolean | undefined
  /** Sends no header of its own choice. */
  readonly plainHeaders?: boolean
  start(bench: Bench, place: Place): Promise<Running>
}

export interface Side {
  readonly name: string
  readonly size?: SizeName
  readonly proof?: Proof
  /** Runs at the most, for what takes long. */
  most?(bench: Bench): number | undefined
  /** Why it cannot take part here, in a sentence. */
  absent?(bench: Bench): string | undefined
  run(bench: Bench): Promise<Reading>
}

export interface Row {
  /** For --only. */
  readonly name: string
  /** At most 32 characters: what we are compared with. */
  readonly title: string
  readonly unit: string
  readonly measure: Measure
  readonly target: Target | undefined
  readonly ours: Side
  /** Without a peer the target is about our own figure. */
  readonly peer?: Side
  /** What has to be known beside the figures. */
  note?(readings: {
    readonly ours: readonly Reading[]
    readonly peer: readonly Reading[]
  }): string | undefined
}
