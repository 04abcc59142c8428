// How many messages each side sends. Those of the warm-up are not timed: V8 compiles what runs often, and a message of
// ours costs a fifth less after 4,000 than after 2,000. What is slow by itself has fewer, or a run would take an hour.

export interface Size {
  readonly warmUp: number
  readonly timed: number
}

export interface Pace {
  readonly quick: boolean
  readonly full: boolean
  /** At most so many, warm-up and timed each. */
  readonly messages?: number | undefined
}

const size = (warmUp: number, timed: number): Size => ({ warmUp, timed })

const usual = {
  newsletter: size(5_000, 10_000),
  juice: size(2_000, 1_000),
  inlined: size(3_000, 4_000),
  pool: size(3_000, 6_000),
  source: size(2_000, 40_000),
  attachment: size(500, 2_000),
  // As many as without a signature, to which it is compared.
  signed: size(5_000, 10_000),
  poolSigned: size(2_000, 4_000),
  long: size(5_000, 100_000),
  // Waits and computes next to nothing.
  far: size(20, 200),
  rows: size(2_000, 100_000),
  python: size(500, 2_000),
} as const satisfies Record<string, Size>

export type SizeName = keyof typeof usual

const quick: Readonly<Record<SizeName, Size>> = {
  newsletter: size(4_000, 3_000),
  juice: size(500, 300),
  inlined: size(1_500, 1_500),
  pool: size(1_500, 1_500),
  source: size(2_000, 10_000),
  attachment: size(100, 200),
  signed: size(4_000, 3_000),
  poolSigned: size(800, 800),
  long: size(4_000, 10_000),
  far: size(5, 40),
  rows: size(2_000, 15_000),
  python: size(300, 500),
}

const FULL = 1_000_000

export function sizeOf(pace: Pace, name: SizeName): Size {
  const { warmUp, timed } = (pace.quick ? quick : usual)[name]
  const most = pace.messages ?? Number.POSITIVE_INFINITY
  const wanted = pace.full && name === 'long' ? FULL : timed
  return size(Math.min(warmUp, most), Math.min(wanted, most))
}
