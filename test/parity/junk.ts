// What a caller may hand over by mistake or on purpose: every kind of value, and objects that throw when touched.

import fc from 'fast-check'
import { FluxMailError } from '../../src/index.js'

/** Thrown by the objects below; it is no Error, has no text form, and must not come out again. */
class Thrown {
  readonly at = new Error().stack

  toString(): string {
    throw new RangeError('no text form')
  }
}

function throwing(): never {
  throw new Thrown()
}

const everyTrap = new Proxy({}, { get: () => throwing })

/** Throws at whatever is done to it, being asked for its prototype included. */
function untouchable(target: object): object {
  return new Proxy(target, everyTrap)
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function cyclic(): object {
  const object: Record<string, unknown> = { name: 'a' }
  object.self = object
  object.list = [object]
  return object
}

function withThrowingGetter(name: string): object {
  return Object.defineProperty({}, name, { enumerable: true, get: throwing })
}

const hostile = fc.oneof(
  fc.constantFrom<() => unknown>(
    () => untouchable({}),
    () => untouchable([]),
    () => untouchable(() => undefined),
    revoked,
    cyclic,
    () => Object.create(null),
    () => Object.create(revoked()),
    () => Symbol('s'),
    () => 10n,
    () => Number.NaN,
    () => Number.POSITIVE_INFINITY,
    () => -0,
    () => 1e308,
    () => new Date(Number.NaN),
    () => Buffer.alloc(3),
    () => new Map([[1, 2]]),
    () => new Proxy([], {}),
    () => Promise.resolve(1),
    () => throwing,
    () => class Some {},
    () => ({ toString: throwing, valueOf: throwing, toJSON: throwing, [Symbol.toPrimitive]: throwing }),
    () => ({ [Symbol.iterator]: throwing, length: 3 }),
    () => ({ [Symbol.iterator]: () => ({ next: throwing }) }),
    () => ({ [Symbol.asyncIterator]: () => ({ next: async () => throwing() }) }),
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: a thenable that throws is what is to be refused.
      then: throwing,
    }),
    () => ({ ...everyTrap, constructor: throwing }),
    () => new Array(3),
    () => [untouchable({})],
    () => [withThrowingGetter('address')],
    () => ({ deep: { deeper: untouchable({}) } }),
    () => '\ud800',
    () => '',
    () => '__proto__',
  ),
  fc.string({ maxLength: 12 }).map((name) => () => withThrowingGetter(name)),
)

const ordinary = fc
  .anything({
    maxDepth: 3,
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    withUnicodeString: true,
  })
  .map((value) => () => value)

/** Makes a value anew at each call, since looking at some of them changes them; shown by how it is made. */
export const junk: fc.Arbitrary<() => unknown> = fc.oneof(hostile, ordinary)

/** One of `names` replaced by junk, or junk under a name of its own, or a getter that throws. */
export function spoilt(plain: Readonly<Record<string, unknown>>, names: readonly string[]) {
  return fc
    .oneof(
      { weight: 12, arbitrary: fc.tuple(fc.constantFrom(...names), junk) },
      { weight: 1, arbitrary: fc.tuple(fc.string({ maxLength: 8 }), junk) },
    )
    .map(([name, make]) => [name, () => ({ ...plain, [name]: make() })] as const)
}

export function withGetter(plain: Readonly<Record<string, unknown>>, name: string): object {
  return Object.defineProperty({ ...plain }, name, { enumerable: true, configurable: true, get: throwing })
}

/** Runs it; resolves to the error or to undefined. Anything but a FluxMailError with a code and a message fails. */
export async function onlyFluxMailErrors(
  what: string,
  run: () => unknown,
): Promise<FluxMailError | undefined> {
  try {
    await run()
    return undefined
  } catch (thrown) {
    if (isFluxMailError(thrown) && thrown.code && thrown.message) return thrown
    throw new Error(`${what} let out ${describe(thrown)}`)
  }
}

function isFluxMailError(thrown: unknown): thrown is FluxMailError {
  try {
    return thrown instanceof FluxMailError
  } catch {
    return false
  }
}

function describe(thrown: unknown): string {
  if (thrown instanceof Thrown) return `what the object threw ${thrown.at}`
  try {
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  } catch {
    return 'something without a text form'
  }
}
