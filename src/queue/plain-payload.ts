// Whether the data of a job can be believed without its schema: that of nearly every job of a million can.
// It must never let pass what the schema of the payload would refuse. What it does not know, the schema judges.

const HASH_LENGTH = 43

type Rule = (value: unknown) => boolean

const isText: Rule = (value) => typeof value === 'string'
const isNumber: Rule = (value) => Number.isFinite(value)
const isFlag: Rule = (value) => value === 1

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['v', (value) => value === 2],
  ['c', (value) => typeof value === 'string' && value.length === HASH_LENGTH],
  ['a', (value) => typeof value === 'string' && value !== ''],
  ['n', isText],
  ['k', isFlag],
  ['r', isText],
  ['b', isFlag],
  ['d', isVariables],
  ['x', isNumber],
  ['f', isNumber],
  ['h', isNumber],
  ['s', isNumber],
  ['w', isText],
  ['o', isText],
])

export function isPlainPayload(data: unknown): boolean {
  if (!isObject(data) || data.v === undefined || data.c === undefined || data.a === undefined) return false
  for (const field in data) {
    const rule = rules.get(field)
    if (rule === undefined || !rule(data[field])) return false
  }
  return true
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The schema drops what would become a prototype. */
function isVariables(value: unknown): boolean {
  return isObject(value) && !Object.hasOwn(value, '__proto__')
}
