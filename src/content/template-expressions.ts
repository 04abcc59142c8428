// Expressions of templates as closures: one for each node of the tree, made once, run for each recipient.
// It makes no JavaScript from template text, and every operator pays fuel for what it builds.

import type { Evaluate, TemplateCompiler } from './template-compiler.js'
import { findFilter } from './template-filters.js'
import { type NamedArguments, type RenderState, SafeText } from './template-state.js'
import {
  type BinaryNode,
  type CallNode,
  type CompareNode,
  type ConditionNode,
  type DictNode,
  type FilterNode,
  faultAt,
  type ListNode,
  type LookupNode,
  type PairNode,
  type SymbolNode,
  type SyntaxNode,
  TemplateFault,
  type UnaryNode,
} from './template-syntax.js'
import { findTest } from './template-tests.js'
import {
  callValue,
  indexIn,
  indexOfItem,
  kindOf,
  lookup,
  plainText,
  primitiveOf,
  textOf,
} from './template-values.js'

const noNames: NamedArguments = new Map()

/** `tolerant` is set where an unknown variable is no error even in strict mode: conditions and `is defined`. */
export function compileExpression(node: SyntaxNode, compiler: TemplateCompiler, tolerant = false): Evaluate {
  switch (node.typename) {
    case 'Literal':
      return literal(node.value, node)
    case 'Symbol':
      return required(symbol(node), node, node.value, compiler, tolerant)
    case 'LookupVal':
      return required(member(node, compiler), node, nameOf(node), compiler, tolerant)
    case 'Group':
      return group(node, compiler, tolerant)
    case 'Array':
      return list(node, compiler)
    case 'Dict':
      return dictionary(node, compiler)
    case 'FunCall':
      return call(node, compiler)
    case 'Filter':
      return filter(node, compiler)
    case 'InlineIf':
      return inlineIf(node, compiler, tolerant)
    case 'Compare':
      return comparison(node, compiler)
    case 'Caller':
      return compiler.macro(node)
    case 'Capture':
      return capture(node.body, compiler)
    case 'Not':
    case 'Neg':
    case 'Pos':
      return unary(node, compiler)
    default:
      return binary(node, compiler, tolerant)
  }
}

function literal(value: unknown, node: SyntaxNode): Evaluate {
  if (value instanceof RegExp) throw faultAt(node, 'regular expressions are not allowed in templates')
  return () => value
}

function symbol(node: SymbolNode): Evaluate {
  const name = node.value
  return (state) => {
    const value = state.scope.get(name)
    return value === undefined ? state.variables.get(name) : value
  }
}

function required(
  evaluate: Evaluate,
  node: SyntaxNode,
  name: string,
  compiler: TemplateCompiler,
  tolerant: boolean,
): Evaluate {
  if (!compiler.options.strict || tolerant) return evaluate
  return (state) => {
    const value = evaluate(state)
    if (value === undefined) throw faultAt(node, `"${name}" is not defined`)
    return value
  }
}

function nameOf(node: SyntaxNode): string {
  if (node.typename === 'Symbol') return node.value
  if (node.typename === 'Literal') return String(node.value)
  if (node.typename === 'LookupVal') return `${nameOf(node.target)}.${node.val ? nameOf(node.val) : ''}`
  return 'the value'
}

function member(node: LookupNode, compiler: TemplateCompiler): Evaluate {
  if (!node.val) throw faultAt(node, 'a name or a number is missing between the brackets')
  const target = compileExpression(node.target, compiler, true)
  const key = compileExpression(node.val, compiler)
  return (state) => lookup(target(state), key(state))
}

function group(node: ListNode, compiler: TemplateCompiler, tolerant: boolean): Evaluate {
  const parts = node.children.map((child) => compileExpression(child, compiler, tolerant))
  const [only] = parts
  if (!only) throw faultAt(node, 'the parentheses are empty')
  if (parts.length === 1) return only
  return (state) => parts.map((part) => part(state)).at(-1)
}

function list(node: ListNode, compiler: TemplateCompiler): Evaluate {
  const items = node.children.map((child) => compileExpression(child, compiler))
  return (state) => {
    state.fuel.spend(items.length)
    return items.map((item) => item(state))
  }
}

function keyOf(pair: PairNode): string {
  const { key } = pair
  if (key.typename === 'Symbol') return key.value
  if (key.typename === 'Literal' && typeof key.value === 'string') return key.value
  throw faultAt(pair, 'a key is neither a name nor a text')
}

function pairsOf(node: DictNode, compiler: TemplateCompiler): (readonly [string, Evaluate])[] {
  return node.children.map((pair) => [keyOf(pair), compileExpression(pair.value, compiler)] as const)
}

function dictionary(node: DictNode, compiler: TemplateCompiler): Evaluate {
  const pairs = pairsOf(node, compiler)
  return (state) => {
    state.fuel.spend(pairs.length)
    const made: Record<string, unknown> = Object.create(null)
    for (const [key, value] of pairs) made[key] = value(state)
    return made
  }
}

interface Arguments {
  readonly positional: (state: RenderState) => unknown[]
  readonly named: (state: RenderState) => NamedArguments
}

function argumentsOf(nodes: readonly SyntaxNode[], compiler: TemplateCompiler): Arguments {
  const last = nodes.at(-1)
  const keywords = last?.typename === 'KeywordArgs' ? pairsOf(last, compiler) : []
  const positional = nodes
    .filter((node) => node.typename !== 'KeywordArgs')
    .map((node) => compileExpression(node, compiler))
  return {
    positional: (state) => positional.map((evaluate) => evaluate(state)),
    named:
      keywords.length === 0
        ? () => noNames
        : (state) => new Map(keywords.map(([name, evaluate]) => [name, evaluate(state)])),
  }
}

function call(node: CallNode, compiler: TemplateCompiler): Evaluate {
  const args = argumentsOf(node.args.children, compiler)
  const { owner, callee } = calleeOf(node.name, compiler)
  const name = nameOf(node.name)
  return (state) => {
    const target = owner(state)
    const called = callee(state, target)
    const positional = args.positional(state)
    const named = args.named(state)
    state.at(node)
    if (called === undefined || called === null) throw new TemplateFault(`there is no function "${name}"`)
    return callValue(state, called, target, positional, named)
  }
}

interface Callee {
  readonly owner: Evaluate
  readonly callee: (state: RenderState, owner: unknown) => unknown
}

function calleeOf(node: SyntaxNode, compiler: TemplateCompiler): Callee {
  if (node.typename !== 'LookupVal' || !node.val) {
    const evaluate = compileExpression(node, compiler, true)
    return { owner: () => undefined, callee: evaluate }
  }
  const key = compileExpression(node.val, compiler)
  const owner = compileExpression(node.target, compiler, true)
  return { owner, callee: (state, target) => lookup(target, key(state)) }
}

function filter(node: FilterNode, compiler: TemplateCompiler): Evaluate {
  const name = node.name.value
  const found = findFilter(name)
  if (!found) throw faultAt(node, `there is no filter "${name}"`)
  const [subject, ...rest] = node.args.children
  if (!subject) throw faultAt(node, `the filter "${name}" has nothing before it`)
  const input = compileExpression(subject, compiler, found.acceptsUndefined)
  const args = argumentsOf(rest, compiler)
  return (state) => {
    const value = input(state)
    const positional = args.positional(state)
    const named = args.named(state)
    for (const [index, parameter] of (found.parameters ?? []).entries()) {
      if (named.has(parameter)) positional[index] = named.get(parameter)
    }
    state.at(node)
    state.fuel.spend(1)
    return found.run({ fuel: state.fuel, options: compiler.options, state }, value, ...positional)
  }
}

function inlineIf(node: ConditionNode, compiler: TemplateCompiler, tolerant: boolean): Evaluate {
  const condition = compileExpression(node.cond, compiler, true)
  const then = compileExpression(node.body, compiler, tolerant)
  const otherwise: Evaluate = node.else_ ? compileExpression(node.else_, compiler, tolerant) : () => ''
  return (state) => (truthy(condition(state)) ? then(state) : otherwise(state))
}

/** Empty safe text is as false as an empty string. */
export function truthy(value: unknown): boolean {
  return value instanceof SafeText ? value.text !== '' : Boolean(value)
}

function capture(body: SyntaxNode, compiler: TemplateCompiler): Evaluate {
  const run = compiler.body(body)
  return (state) => {
    const text = state.capture(run)
    return compiler.options.autoescape ? new SafeText(text) : text
  }
}

function comparison(node: CompareNode, compiler: TemplateCompiler): Evaluate {
  const first = compileExpression(node.expr, compiler, true)
  const rest = node.ops.map((op) => [op.type, compileExpression(op.expr, compiler, true)] as const)
  return (state) => {
    let left = first(state)
    for (const [operator, right] of rest) left = compare(operator, left, right(state), state)
    return left
  }
}

function compare(operator: string, left: unknown, right: unknown, state: RenderState): boolean {
  switch (operator) {
    case '==':
      return looselyEqual(left, right, state)
    case '!=':
      return !looselyEqual(left, right, state)
    case '===':
      return unwrapped(left, state) === unwrapped(right, state)
    case '!==':
      return unwrapped(left, state) !== unwrapped(right, state)
    default:
      return ordered(operator, left, right, state)
  }
}

function unwrapped(value: unknown, state: RenderState): unknown {
  const plain = value instanceof SafeText ? value.text : value
  if (typeof plain === 'string') state.fuel.spend(plain.length / 256)
  return plain
}

function looselyEqual(left: unknown, right: unknown, state: RenderState): boolean {
  const a = unwrapped(left, state)
  const b = unwrapped(right, state)
  // An object on one side would have its own `toString` or `valueOf` called.
  if (isObject(a) || isObject(b)) return a === b
  // biome-ignore lint/suspicious/noDoubleEquals: this is the `==` of Nunjucks.
  return a == b
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

type Comparable = string | number

function ordered(operator: string, left: unknown, right: unknown, state: RenderState): boolean {
  const a = unwrapped(primitiveOf(left, state.fuel), state) as Comparable
  const b = unwrapped(primitiveOf(right, state.fuel), state) as Comparable
  if (operator === '<') return a < b
  if (operator === '>') return a > b
  return operator === '<=' ? a <= b : a >= b
}

function unary(node: UnaryNode, compiler: TemplateCompiler): Evaluate {
  const target = compileExpression(node.target, compiler, node.typename === 'Not')
  if (node.typename === 'Not') return (state) => !truthy(target(state))
  const sign = node.typename === 'Neg' ? -1 : 1
  return (state) => sign * Number(primitiveOf(target(state), state.fuel))
}

function binary(node: SyntaxNode, compiler: TemplateCompiler, tolerant: boolean): Evaluate {
  if (!('left' in node)) throw faultAt(node, `a ${node.typename} cannot stand in an expression`)
  if (node.typename === 'Is') return typeTest(node, compiler)
  const logical = node.typename === 'Or' || node.typename === 'And'
  const left = compileExpression(node.left, compiler, logical || node.typename === 'In')
  const right = compileExpression(node.right, compiler, logical ? tolerant : false)
  if (node.typename === 'Or') return (state) => either(left(state), () => right(state))
  if (node.typename === 'And') return (state) => both(left(state), () => right(state))
  const operate = operators[node.typename]
  return (state) => {
    const a = left(state)
    const b = right(state)
    state.at(node)
    return operate(a, b, state)
  }
}

function either(left: unknown, right: () => unknown): unknown {
  return truthy(left) ? left : right()
}

function both(left: unknown, right: () => unknown): unknown {
  return truthy(left) ? right() : left
}

type Operator = (left: unknown, right: unknown, state: RenderState) => unknown

const operators: Readonly<Record<Exclude<BinaryNode['typename'], 'Is' | 'Or' | 'And'>, Operator>> = {
  In: contains,
  Add: add,
  Concat: (a, b, state) => state.fuel.text(textOf(a, state.fuel) + textOf(b, state.fuel)),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
  Div: arithmetic((a, b) => a / b),
  FloorDiv: arithmetic((a, b) => Math.floor(a / b)),
  Mod: arithmetic((a, b) => a % b),
  Pow: arithmetic((a, b) => a ** b),
}

function arithmetic(operate: (left: number, right: number) => number): Operator {
  return (left, right, state) =>
    operate(Number(primitiveOf(left, state.fuel)), Number(primitiveOf(right, state.fuel)))
}

function add(left: unknown, right: unknown, state: RenderState): unknown {
  const a = primitiveOf(left, state.fuel)
  const b = primitiveOf(right, state.fuel)
  if (typeof a === 'string' || typeof b === 'string') return state.fuel.text(`${a ?? ''}${b ?? ''}`)
  return Number(a) + Number(b)
}

function contains(item: unknown, within: unknown, state: RenderState): boolean {
  if (Array.isArray(within)) return indexOfItem(within, item, state.fuel) >= 0
  if (typeof within === 'string') return indexIn(within, item, state.fuel) >= 0
  if (within instanceof SafeText) return indexIn(within.text, item, state.fuel) >= 0
  if (within instanceof Map || within instanceof Set) return within.has(item)
  if (within === undefined || within === null) return false
  if (typeof within === 'object') return Object.hasOwn(within, plainText(item))
  throw new TemplateFault(`"in" looks into texts, lists and objects, not into ${kindOf(within)}`)
}

function typeTest(node: BinaryNode, compiler: TemplateCompiler): Evaluate {
  const { right } = node
  const name = right.typename === 'FunCall' ? nameOf(right.name) : nameOf(right)
  const test = findTest(name)
  if (!test) throw faultAt(right, `there is no test "${name}"`)
  const subject = compileExpression(node.left, compiler, true)
  const args = argumentsOf(right.typename === 'FunCall' ? right.args.children : [], compiler)
  return (state) => {
    const value = subject(state)
    if (typeof value === 'string') state.fuel.text(value)
    return test(value, ...args.positional(state))
  }
}
