// Who may wait for a permit in its place, and who makes room. What is short for everybody is waited for in place; where
// others could go meanwhile, only so many wait as will be through in a moment.

/** Of a gate so many seconds' worth wait in place, at least one. */
const PLACES_SECONDS = 0.25

export interface Slots {
  /** Takes a place at a gate of a lane, unless there are enough that wait there; it is left by what comes back. */
  enter(lane: string, gate: string, perSecond: number): (() => void) | undefined
}

/** `most`: how many of one lane may wait at gates in all. */
export function createSlots(most: number): Slots {
  const taken = new Map<string, number>()
  const add = (key: string, count: number) => {
    const sum = (taken.get(key) ?? 0) + count
    if (sum === 0) taken.delete(key)
    else taken.set(key, sum)
  }
  return {
    enter(lane, gate, perSecond) {
      const atGate = `${lane} ${gate}`
      const isFull =
        (taken.get(lane) ?? 0) >= most ||
        (taken.get(atGate) ?? 0) >= Math.max(1, Math.floor(perSecond * PLACES_SECONDS))
      if (isFull) return undefined
      const keys = [lane, atGate]
      for (const key of keys) add(key, 1)
      let isLeft = false
      return () => {
        if (isLeft) return
        isLeft = true
        for (const key of keys) add(key, -1)
      }
    },
  }
}
