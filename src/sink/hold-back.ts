// Puts off what a client sends, so that every answer comes late, as over a long line: what came together is
// answered together, and nothing overtakes. It changes no byte.

import type { Writable } from 'node:stream'
import type { Clock } from '../clock.js'

/** The same stream, which takes what is written `ms()` later. */
export function holdBack<T extends Writable>(stream: T, ms: () => number, clock: () => Clock): T {
  const write = stream.write.bind(stream) as (chunk: Buffer) => boolean
  const end = stream.end.bind(stream) as () => T
  const held: (() => unknown)[] = []
  const later = (pass: () => unknown): boolean => {
    const wait = ms()
    if (wait === 0 && held.length === 0) return pass() !== false
    held.push(pass)
    // Timers of different lengths may fire in another order; what is held never does.
    clock().after(wait, () => held.shift()?.())
    return true
  }
  return Object.assign(stream, {
    write: (chunk: Buffer) => later(() => write(chunk)),
    end: () => {
      later(end)
      return stream
    },
  })
}
