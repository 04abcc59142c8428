// Values inside templates: members, calls, text and comparison, each fenced.
// Members are own properties and the few methods listed here; a function's members are never handed out.

import { Callable, type Fuel, type NamedArguments, type RenderState, SafeText } from './template-state.js'
import { TemplateFault } from './template-syntax.js'

type Method<Target> = (target: Target, args: readonly unknown[], fuel: Fuel) => unknown

const forbidden = new Set(['constructor', '__proto__', 'prototype'])

const stringMethods = new Map<string, Method<string>>([
  ['toUpperCase', (text, _, fuel) => fuel.text(text).toUpperCase()],
  ['toLowerCase', (text, _, fuel) => fuel.text(text).toLowerCase()],
  ['trim', (text, _, fuel) => fuel.text(text).trim()],
  ['charAt', (text, [index]) => text.charAt(numberOf(index))],
  ['slice', (text, [from, to], fuel) => fuel.text(text).slice(...bounds(from, to))],
  ['substring', (text, [from, to], fuel) => fuel.text(text).substring(...bounds(from, to))],
  ['startsWith', (text, [part], fuel) => text.startsWith(fuel.text(plainText(part)))],
  ['endsWith', (text, [part], fuel) => text.endsWith(fuel.text(plainText(part)))],
  ['includes', (text, [part], fuel) => indexIn(text, part, fuel) >= 0],
  ['indexOf', (text, [part], fuel) => indexIn(text, part, fuel)],
  ['split', (text, [separator], fuel) => splitText(text, separator, fuel)],
])

const listMethods = new Map<string, Method<readonly unknown[]>>([
  [
    'join',
    (list, [separator], fuel) => joinText(list, separator === undefined ? ',' : plainText(separator), fuel),
  ],
  ['slice', (list, [from, to], fuel) => paidList(list, fuel).slice(...bounds(from, to))],
  ['includes', (list, [item], fuel) => indexOfItem(list, item, fuel) >= 0],
  ['indexOf', (list, [item], fuel) => indexOfItem(list, item, fuel)],
  ['concat', (list, args, fuel) => paidList(paidList(list, fuel).concat(...args), fuel)],
])

const numberMethods = new Map<string, Method<number>>([
  ['toFixed', (number, [digits]) => number.toFixed(numberOf(digits ?? 0))],
  ['toPrecision', (number, [digits]) => number.toPrecision(numberOf(digits ?? 6))],
  ['toLocaleString', (number, [locale]) => localNumber(number, locale)],
])

const dateMethods = new Map<string, Method<Date>>([
  ['toISOString', (date) => date.toISOString()],
  ['toLocaleDateString', (date, [locale]) => date.toLocaleDateString(localeOf(locale))],
  ['getFullYear', (date) => date.getFullYear()],
  ['getMonth', (date) => date.getMonth()],
  ['getDate', (date) => date.getDate()],
  ['getDay', (date) => date.getDay()],
  ['getHours', (date) => date.getHours()],
  ['getMinutes', (date) => date.getMinutes()],
])

function localeOf(locale: unknown): string {
  return locale === undefined ? 'en' : plainText(locale)
}

function localNumber(number: number, locale: unknown): string {
  return number.toLocaleString(localeOf(locale))
}

function bounds(from: unknown, to: unknown): [number, number | undefined] {
  return [numberOf(from ?? 0), to === undefined ? undefined : numberOf(to)]
}

function paidList<Item>(list: readonly Item[], fuel: Fuel): readonly Item[] {
  fuel.spend(list.length)
  return list
}

export function indexOfItem(list: readonly unknown[], item: unknown, fuel: Fuel): number {
  const itemCost = typeof item === 'string' ? item.length / 256 : 0
  fuel.spend(list.length * (1 + itemCost))
  return list.indexOf(item)
}

export function indexIn(text: string, part: unknown, fuel: Fuel): number {
  const sought = plainText(part)
  // A search may compare as often as both lengths multiplied.
  fuel.spend(1 + (text.length >> 4) + (text.length * sought.length) / 1024)
  return text.indexOf(sought)
}

function splitText(text: string, separator: unknown, fuel: Fuel): string[] {
  fuel.spend(text.length)
  return separator === undefined ? [text] : text.split(plainText(separator))
}

export function joinText(list: readonly unknown[], separator: string, fuel: Fuel, depth = 0): string {
  let joined = ''
  for (const [index, item] of list.entries()) {
    const part = textOf(item, fuel, depth + 1)
    joined += index === 0 ? part : separator + part
    fuel.spend(1 + ((part.length + separator.length) >> 4))
  }
  return joined
}

/** A number, or NaN for what is none. Lists are never asked: their own text can be endless. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  if (value instanceof SafeText) return Number(value.text)
  return typeof value === 'string' || typeof value === 'boolean' ? Number(value) : Number.NaN
}

/** The text of a string, safe text or number; anything else is a fault of the template. */
export function plainText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof SafeText) return value.text
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new TemplateFault(`a text was expected, not ${kindOf(value)}`)
}

export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (isCallable(value)) return 'a function'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** What `{{ value }}` shows, before escaping. */
export function textOf(value: unknown, fuel: Fuel, depth = 0): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  if (value instanceof SafeText) return value.text
  if (Array.isArray(value)) return listText(value, fuel, depth)
  if (isCallable(value)) throw new TemplateFault('a function stands where a text is needed; call it')
  if (typeof value === 'object' && isPlain(value)) {
    throw new TemplateFault('an object stands where a text is needed; name one of its fields')
  }
  return String(value)
}

function listText(list: readonly unknown[], fuel: Fuel, depth: number): string {
  if (depth > 16) throw new TemplateFault('a list is nested too deeply to be shown')
  return joinText(list, ',', fuel, depth)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

export function isCallable(value: unknown): boolean {
  return typeof value === 'function' || value instanceof Callable
}

/** `target[key]`: an own property, or a method from the lists above, or undefined. */
export function lookup(target: unknown, key: unknown): unknown {
  if (target === undefined || target === null) return undefined
  if (typeof key !== 'string' && typeof key !== 'number' && !(key instanceof SafeText)) return undefined
  const name = key instanceof SafeText ? key.text : String(key)
  if (forbidden.has(name)) return undefined
  if (typeof target === 'string') return stringMember(target, name)
  if (target instanceof SafeText) return stringMember(target.text, name)
  if (typeof target === 'number') return method(numberMethods, target, name)
  return typeof target === 'object' ? objectMember(target, name) : undefined
}

function stringMember(text: string, name: string): unknown {
  if (name === 'length') return text.length
  return /^\d{1,9}$/.test(name) ? text[Number(name)] : method(stringMethods, text, name)
}

function objectMember(target: object, name: string): unknown {
  if (target instanceof Callable) return undefined
  if (Object.hasOwn(target, name)) return (target as Readonly<Record<string, unknown>>)[name]
  if (Array.isArray(target)) return method(listMethods, target, name)
  if (target instanceof Date) return method(dateMethods, target, name)
  if (target instanceof Map) return target.get(name)
  return undefined
}

function method<Target>(
  methods: ReadonlyMap<string, Method<Target>>,
  target: Target,
  name: string,
): Callable | undefined {
  const run = methods.get(name)
  return run && new Callable((state, args) => run(target, args, state.fuel))
}

/** Calls a macro, a listed method, or a function that the app put among the variables. */
export function callValue(
  state: RenderState,
  callee: unknown,
  owner: unknown,
  args: readonly unknown[],
  named: NamedArguments,
): unknown {
  state.fuel.spend(4)
  if (callee instanceof Callable) return state.nested(() => callee.call(state, args, named))
  if (typeof callee !== 'function') throw new TemplateFault(`${kindOf(callee)} was called as a function`)
  const given = args.map((arg) => (arg instanceof SafeText ? arg.text : arg))
  if (named.size > 0) given.push(Object.fromEntries(named))
  return Reflect.apply(callee, owner, given)
}

/** The items of whatever `for` and the list filters accept. */
export function itemsOf(value: unknown, fuel: Fuel): readonly unknown[] {
  if (value === undefined || value === null || value === false) return []
  if (Array.isArray(value)) return value
  if (typeof value === 'string') return characters(value, fuel)
  if (value instanceof SafeText) return characters(value.text, fuel)
  if (typeof value === 'object' && Symbol.iterator in value) return readAll(value as Iterable<unknown>, fuel)
  if (typeof value === 'object' && !isCallable(value)) return Object.keys(value)
  throw new TemplateFault(`${kindOf(value)} cannot be gone through item by item`)
}

function characters(text: string, fuel: Fuel): string[] {
  fuel.spend(text.length)
  return [...text]
}

function readAll(source: Iterable<unknown>, fuel: Fuel): unknown[] {
  const items: unknown[] = []
  for (const item of source) {
    fuel.spend(1)
    items.push(item)
  }
  return items
}

/** A value that operators may take without running anybody's code. */
export function primitiveOf(
  value: unknown,
  fuel: Fuel,
): string | number | bigint | boolean | null | undefined {
  if (value === undefined || value === null) return value
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return value
  if (value instanceof Date) return value.getTime()
  return textOf(value, fuel)
}
