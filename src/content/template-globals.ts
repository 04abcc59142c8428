// The functions that every template has: range, cycler and joiner, rebuilt with limits.

import { limits } from './template-limits.js'
import { Callable, type Fuel, type NamedArguments } from './template-state.js'
import { TemplateFault } from './template-syntax.js'
import { numberOf, plainText } from './template-values.js'

function range(args: readonly unknown[], fuel: Fuel): number[] {
  const [from, to, by] = args.map(numberOf)
  const [start, end] = to === undefined ? [0, from ?? 0] : [from ?? 0, to]
  const step = by || 1
  const count = Math.max(0, Math.ceil((end - start) / step))
  // Written so that NaN is refused too.
  if (!(count <= limits.rangeItems))
    throw new TemplateFault(`range() makes at most ${limits.rangeItems} numbers`)
  fuel.spend(count)
  return Array.from({ length: count }, (_, index) => start + index * step)
}

function cycler(items: readonly unknown[]): Readonly<Record<string, unknown>> {
  let index = -1
  const made: Record<string, unknown> = Object.create(null)
  made.current = null
  made.next = new Callable(() => {
    index = (index + 1) % Math.max(items.length, 1)
    made.current = items[index]
    return made.current
  })
  made.reset = new Callable(() => {
    index = -1
    made.current = null
  })
  return made
}

function joiner(separator: unknown): Callable {
  let first = true
  const text = separator === undefined ? ',' : plainText(separator)
  return new Callable(() => {
    const value = first ? '' : text
    first = false
    return value
  })
}

export const templateGlobals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['range', new Callable((state, args: readonly unknown[], _: NamedArguments) => range(args, state.fuel))],
  ['cycler', new Callable((_, args) => cycler(args))],
  ['joiner', new Callable((_, args) => joiner(args[0]))],
])
