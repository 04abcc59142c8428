// Filters that take a list or an object.

import type { Filter, FilterCall } from './template-filter.js'
import { SafeText } from './template-state.js'
import { TemplateFault } from './template-syntax.js'
import { findTest } from './template-tests.js'
import { itemsOf, joinText, lookup, numberOf, plainText, primitiveOf, textOf } from './template-values.js'

function paidItems(call: FilterCall, input: unknown): readonly unknown[] {
  const items = itemsOf(input, call.fuel)
  call.fuel.spend(items.length)
  return items
}

/** Follows `a.b.c` into an item. */
function attribute(item: unknown, path: unknown): unknown {
  if (typeof path === 'number') return lookup(item, path)
  return plainText(path)
    .split('.')
    .reduce<unknown>((value, name) => lookup(value, name), item)
}

function sizeArgument(value: unknown, name: string): number {
  const size = numberOf(value)
  if (!(size >= 1)) throw new TemplateFault(`the filter "${name}" needs a number from 1`)
  return Math.floor(size)
}

function batch(call: FilterCall, input: unknown, size: unknown, filler: unknown): unknown[][] {
  const count = sizeArgument(size, 'batch')
  const items = paidItems(call, input)
  const rows: unknown[][] = []
  for (let from = 0; from < items.length; from += count) rows.push(items.slice(from, from + count))
  const last = rows.at(-1)
  if (last && filler !== undefined) {
    call.fuel.spend(count)
    while (last.length < count) last.push(filler)
  }
  return rows
}

function slice(call: FilterCall, input: unknown, slices: unknown, filler: unknown): unknown[][] {
  const count = sizeArgument(slices, 'slice')
  const items = paidItems(call, input)
  call.fuel.spend(count)
  const size = Math.floor(items.length / count)
  const longer = items.length % count
  return Array.from({ length: count }, (_, index) => {
    const from = index * size + Math.min(index, longer)
    const part = items.slice(from, from + size + (index < longer ? 1 : 0))
    return filler !== undefined && index >= longer ? [...part, filler] : part
  })
}

function dictsort(call: FilterCall, input: unknown, caseSensitive: unknown, by: unknown): unknown[] {
  if (typeof input !== 'object' || input === null)
    throw new TemplateFault('the filter "dictsort" needs an object')
  const index = by === 'value' ? 1 : 0
  const entries = Object.entries(input).map(([key, value]) => [key, value])
  return sorted(call, entries, (entry) => lookup(entry, index), Boolean(caseSensitive), false)
}

type Sortable = string | number

function sorted(
  call: FilterCall,
  items: readonly unknown[],
  keyOf: (item: unknown) => unknown,
  caseSensitive: boolean,
  reverse: boolean,
): unknown[] {
  call.fuel.spend(items.length * 16)
  const keyed = items.map((item) => {
    const key = primitiveOf(keyOf(item), call.fuel) as Sortable
    return { item, key: typeof key === 'string' && !caseSensitive ? call.fuel.text(key).toLowerCase() : key }
  })
  const sign = reverse ? -1 : 1
  keyed.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0))
  return keyed.map(({ item }) => item)
}

function sort(
  call: FilterCall,
  input: unknown,
  reverse: unknown,
  caseSensitive: unknown,
  path: unknown,
): unknown[] {
  const keyOf = path === undefined ? (item: unknown) => item : (item: unknown) => attribute(item, path)
  return sorted(call, paidItems(call, input), keyOf, Boolean(caseSensitive), Boolean(reverse))
}

function groupby(call: FilterCall, input: unknown, path: unknown): Readonly<Record<string, unknown[]>> {
  const groups: Record<string, unknown[]> = Object.create(null)
  for (const item of paidItems(call, input)) {
    const key = textOf(attribute(item, path), call.fuel)
    const group = groups[key] ?? []
    group.push(item)
    groups[key] = group
  }
  return groups
}

function length(call: FilterCall, input: unknown): number {
  if (input instanceof SafeText) return input.text.length
  if (typeof input === 'string') return input.length
  if (input instanceof Map || input instanceof Set) return input.size
  return itemsOf(input, call.fuel).length
}

function list(call: FilterCall, input: unknown): readonly unknown[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || input instanceof SafeText) {
    return paidItems(call, input)
  }
  return Object.entries(input).map(([key, value]) => ({ key, value }))
}

function reverse(call: FilterCall, input: unknown): unknown {
  const items = [...paidItems(call, input)].reverse()
  if (input instanceof SafeText) return new SafeText(items.join(''))
  return typeof input === 'string' ? items.join('') : items
}

function sum(call: FilterCall, input: unknown, path: unknown, start: unknown): number {
  const items = paidItems(call, input)
  const numbers = path === undefined ? items : items.map((item) => attribute(item, path))
  return numbers.reduce<number>(
    (total, value) => total + numberOf(value),
    start === undefined ? 0 : numberOf(start),
  )
}

/** `select` and `reject`: by a test, by default whether the item is true. */
function choosing(wanted: boolean): Filter {
  return {
    run: (call, input, name, other) => {
      const test = findTest(name === undefined ? 'truthy' : plainText(name))
      if (!test) throw new TemplateFault(`there is no test "${plainText(name)}"`)
      return paidItems(call, input).filter((item) => test(item, other) === wanted)
    },
  }
}

/** `selectattr` and `rejectattr`: by whether an attribute is true. */
function choosingBy(wanted: boolean): Filter {
  return {
    run: (call, input, path) =>
      paidItems(call, input).filter((item) => Boolean(attribute(item, path)) === wanted),
  }
}

export const listFilters: Readonly<Record<string, Filter>> = {
  batch: { run: batch },
  dictsort: { run: dictsort },
  first: { run: (call, input) => itemsOf(input, call.fuel)[0] },
  groupby: { run: groupby },
  join: {
    run: (call, input, separator, path) => {
      const items = paidItems(call, input)
      const parts = path === undefined ? items : items.map((item) => attribute(item, path))
      return joinText(parts, separator === undefined ? '' : plainText(separator), call.fuel)
    },
  },
  last: { run: (call, input) => itemsOf(input, call.fuel).at(-1) },
  length: { run: length, acceptsUndefined: true },
  list: { run: list },
  reject: choosing(false),
  rejectattr: choosingBy(false),
  reverse: { run: reverse },
  select: choosing(true),
  selectattr: choosingBy(true),
  slice: { run: slice },
  sort: { run: sort, parameters: ['reverse', 'case_sensitive', 'attribute'] },
  sum: { run: sum },
}
