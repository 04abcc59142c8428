// Bounces carried to the other shards. A script that settles reaches one shard alone, and notes down there whom it
// suppressed; what is noted is carried from there by whoever comes first, once or more often.

import type { Clock } from '../clock.js'
import type { SuppressionStore } from './suppressions.js'

export type Carried = Pick<SuppressionStore, 'get' | 'adopt' | 'bounced' | 'carried'>

/** Carries what bounced in `own` to `others`; those who ask at once are served together. */
export function createCarrier(
  own: Carried,
  others: readonly Pick<Carried, 'adopt'>[],
  clock: Pick<Clock, 'now'>,
): () => Promise<void> {
  let carrying: Promise<void> | undefined
  let isAskedAgain = false

  async function carrySome(): Promise<boolean> {
    const fields = await own.bounced()
    if (fields.length === 0) return false
    const found = await own.get(fields)
    const adopted = fields.flatMap((field, index) => {
      const entry = found[index]
      return entry === undefined ? [] : others.map((other) => other.adopt(field, entry, clock.now()))
    })
    await Promise.all(adopted)
    await own.carried(fields)
    return true
  }

  async function carryAll(): Promise<void> {
    do isAskedAgain = false
    while ((await carrySome()) || isAskedAgain)
  }

  return () => {
    isAskedAgain = true
    carrying ??= carryAll().finally(() => {
      carrying = undefined
    })
    return carrying
  }
}
