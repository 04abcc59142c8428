// What one rendering carries along: variables and their scopes, the output, and the fuel that is left.
// Values that templates make themselves (safe text, callables) are classes of their own, never functions.

import type { FixedText } from './fixed-text.js'
import { limits } from './template-limits.js'
import { TemplateFault } from './template-syntax.js'

/** Text that is HTML already and is not escaped again. */
export class SafeText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Arguments by name, as in `f(size=2)`. */
export type NamedArguments = ReadonlyMap<string, unknown>

/** Whatever a template may call without an app's own code: macros, `range`, methods of strings and lists. */
export class Callable {
  readonly call: (state: RenderState, args: readonly unknown[], named: NamedArguments) => unknown

  constructor(call: (state: RenderState, args: readonly unknown[], named: NamedArguments) => unknown) {
    this.call = call
  }
}

/** Counts what a rendering does, and ends it when that is too much. */
export class Fuel {
  private left: number = limits.steps

  spend(steps: number): void {
    this.left -= steps
    // Written so that NaN ends the rendering too.
    if (!(this.left >= 0)) throw new TemplateFault(`the template does more than ${limits.steps} steps`)
  }

  /** Pays for a string that is being built. */
  text<Text extends string>(text: Text): Text {
    this.spend(1 + (text.length >> 4))
    return text
  }
}

export class Scope {
  private readonly values = new Map<string, unknown>()
  readonly parent: Scope | undefined
  /** Whether assignments stay inside, as in blocks and macros. */
  readonly isolated: boolean

  constructor(parent?: Scope, isolated = false) {
    this.parent = parent
    this.isolated = isolated
  }

  get(name: string): unknown {
    const value = this.values.get(name)
    return value === undefined ? this.parent?.get(name) : value
  }

  set(name: string, value: unknown): void {
    this.values.set(name, value)
  }

  /** Sets the nearest variable of that name that may be written from here; else makes one here. */
  assign(name: string, value: unknown): void {
    const owner = this.ownerOf(name) ?? this
    owner.values.set(name, value)
  }

  private ownerOf(name: string): Scope | undefined {
    if (this.values.has(name)) return this
    return this.isolated ? undefined : this.parent?.ownerOf(name)
  }
}

/** The variables that every part of the template sees: what it set at its top, the caller's, the globals. */
export class Variables {
  private readonly assigned = new Map<string, unknown>()
  private readonly given: Readonly<Record<string, unknown>>
  private readonly globals: ReadonlyMap<string, unknown>

  constructor(given: Readonly<Record<string, unknown>>, globals: ReadonlyMap<string, unknown>) {
    this.given = given
    this.globals = globals
  }

  get(name: string): unknown {
    if (this.assigned.has(name)) return this.assigned.get(name)
    // Own properties only: the prototype would hand out `constructor`.
    if (Object.hasOwn(this.given, name)) return this.given[name]
    return this.globals.get(name)
  }

  set(name: string, value: unknown): void {
    this.assigned.set(name, value)
  }
}

export class RenderState {
  readonly fuel = new Fuel()
  readonly variables: Variables
  readonly top = new Scope()
  scope: Scope = this.top
  out = ''
  /** Where it is there, output goes into it in place of `out`. */
  pieces: (string | FixedText)[] | undefined
  depth = 0
  /** Where the rendering is, from 1; errors without a place of their own are reported there. */
  line = 1
  column = 1
  private written = 0

  constructor(variables: Variables) {
    this.variables = variables
  }

  emit(text: string): void {
    this.pay(text)
    if (this.pieces === undefined) this.out += text
    else this.pieces.push(text)
  }

  emitFixed(fixed: string | FixedText): void {
    const text = typeof fixed === 'string' ? fixed : fixed.text
    this.pay(text)
    if (this.pieces === undefined) this.out += text
    else this.pieces.push(fixed)
  }

  private pay(text: string): void {
    this.written += text.length
    if (this.written > limits.outputChars) {
      throw new TemplateFault(`the output is longer than ${limits.outputChars} characters`)
    }
    this.fuel.spend(1)
  }

  at(node: { readonly lineno: number; readonly colno: number }): void {
    this.line = node.lineno + 1
    this.column = node.colno + 1
  }

  /** Runs `body` and returns what it wrote instead of writing it. */
  capture(body: (state: RenderState) => void): string {
    const { out: outer, pieces } = this
    this.out = ''
    this.pieces = undefined
    body(this)
    const text = this.out
    this.out = outer
    this.pieces = pieces
    return text
  }

  /** Runs `body` with another scope and comes back to this one. */
  within<Result>(scope: Scope, body: () => Result): Result {
    const outer = this.scope
    this.scope = scope
    const result = body()
    this.scope = outer
    return result
  }

  /** Counts macros that call each other. */
  nested<Result>(body: () => Result): Result {
    this.depth++
    if (this.depth > limits.depth) {
      throw new TemplateFault(`macros call each other more than ${limits.depth} deep`)
    }
    const result = body()
    this.depth--
    return result
  }
}
