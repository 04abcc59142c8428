// Chance that can be repeated: the same seed gives the same numbers on every machine (mulberry32).
// Nothing in a chaos run may draw its chance from anywhere else.

export interface Random {
  /** 0 up to, not including, 1. */
  next(): number
  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number
  pick<T>(items: readonly [T, ...T[]]): T
  /** True in so many of 100 cases. */
  percent(share: number): boolean
}

/** `stream` keeps apart what draws beside each other, so that one drawing more changes nothing for another. */
export function createRandom(seed: number, stream: string): Random {
  let state = seed >>> 0
  for (const letter of stream) state = Math.imul(state ^ letter.charCodeAt(0), 0x9e3779b1) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const whole = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    whole,
    pick: (items) => items[whole(0, items.length - 1)] ?? items[0],
    percent: (share) => next() * 100 < share,
  }
}
