// What may stand after `is` in a template, by the names that Nunjucks gives.

import { SafeText } from './template-state.js'
import { isCallable, numberOf } from './template-values.js'

type Test = (value: unknown, other?: unknown) => boolean

function text(value: unknown): string | undefined {
  if (value instanceof SafeText) return value.text
  return typeof value === 'string' ? value : undefined
}

const equal: Test = (value, other) => (text(value) ?? value) === (text(other) ?? other)
const above: Test = (value, other) => numberOf(value) > numberOf(other)
const below: Test = (value, other) => numberOf(value) < numberOf(other)

const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['callable', isCallable],
  ['defined', (value) => value !== undefined],
  ['undefined', (value) => value === undefined],
  ['null', (value) => value === null],
  ['none', (value) => value === null],
  ['number', (value) => typeof value === 'number'],
  ['string', (value) => text(value) !== undefined],
  ['iterable', (value) => text(value) !== undefined || (isObject(value) && Symbol.iterator in value)],
  ['mapping', (value) => isObject(value) && !Array.isArray(value) && !(value instanceof Set)],
  ['escaped', (value) => value instanceof SafeText],
  ['truthy', (value) => Boolean(text(value) ?? value)],
  ['falsy', (value) => !(text(value) ?? value)],
  ['even', (value) => numberOf(value) % 2 === 0],
  ['odd', (value) => Math.abs(numberOf(value)) % 2 === 1],
  ['divisibleby', (value, other) => numberOf(value) % numberOf(other) === 0],
  ['lower', (value) => text(value)?.toLowerCase() === text(value)],
  ['upper', (value) => text(value)?.toUpperCase() === text(value)],
  ['equalto', equal],
  ['eq', equal],
  ['sameas', equal],
  ['ne', (value, other) => !equal(value, other)],
  ['greaterthan', above],
  ['gt', above],
  ['lessthan', below],
  ['lt', below],
  ['ge', (value, other) => numberOf(value) >= numberOf(other)],
  ['le', (value, other) => numberOf(value) <= numberOf(other)],
])

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof SafeText) && !isCallable(value)
}

export function findTest(name: string): Test | undefined {
  return tests.get(name)
}
