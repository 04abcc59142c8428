// Statements of templates as closures: output, conditions, loops, assignments, macros and blocks.
// What needs other files stands in template-files.ts, which leaves none of it in the text compiled here.

import { fixedText } from './fixed-text.js'
import type { Evaluate, RenderOptions, Run, TemplateCompiler } from './template-compiler.js'
import { compileExpression, truthy } from './template-expressions.js'
import { escapeHtml } from './template-filter.js'
import { Callable, type NamedArguments, type RenderState, SafeText, Scope } from './template-state.js'
import {
  type BlockNode,
  type ConditionNode,
  type DictNode,
  type ForNode,
  faultAt,
  type ListNode,
  type MacroNode,
  type SetNode,
  type SwitchNode,
  type SyntaxNode,
} from './template-syntax.js'
import { itemsOf, lookup, textOf } from './template-values.js'

/** Compiles the tree of a whole template. Throws TemplateFault for what templates may not do. */
export function compileTree(root: SyntaxNode, options: RenderOptions): Run {
  const compiler: TemplateCompiler = {
    options,
    body: (node) => compileBody(node, compiler),
    macro: (node) => compileMacro(node, compiler),
  }
  return compileBody(root, compiler)
}

function compileBody(node: SyntaxNode, compiler: TemplateCompiler): Run {
  if (node.typename !== 'Root' && node.typename !== 'NodeList') return compileStatement(node, compiler)
  const runs = node.children.map((child) => compileStatement(child, compiler))
  return (state) => {
    for (const run of runs) run(state)
  }
}

function compileStatement(node: SyntaxNode, compiler: TemplateCompiler): Run {
  switch (node.typename) {
    case 'Output':
      return output(node, compiler)
    case 'If':
      return condition(node, compiler)
    case 'For':
      return loop(node, compiler)
    case 'Set':
      return assignment(node, compiler)
    case 'Macro':
      return macroDefinition(node, compiler)
    case 'Block':
      return block(node, compiler)
    case 'Switch':
      return choice(node, compiler)
    case 'Extends':
    case 'Include':
    case 'Import':
    case 'FromImport':
      throw faultAt(node, 'other templates are reached from files only: use EmailTemplate.fromFile')
    default:
      throw faultAt(node, `the tag for ${node.typename} is not allowed`)
  }
}

function output(node: ListNode, compiler: TemplateCompiler): Run {
  const runs = node.children.map((child) => outputOf(child, compiler))
  const [only] = runs
  if (only && runs.length === 1) return only
  return (state) => {
    for (const run of runs) run(state)
  }
}

function outputOf(node: SyntaxNode, compiler: TemplateCompiler): Run {
  if (node.typename === 'TemplateData') {
    const text = fixedText(flat(String(node.value)))
    return (state) => state.emitFixed(text)
  }
  const evaluate = compileExpression(node, compiler)
  const { autoescape } = compiler.options
  return (state) => {
    state.at(node)
    const value = evaluate(state)
    if (value instanceof SafeText) return state.emit(value.text)
    const text = textOf(value, state.fuel)
    state.emit(autoescape ? escapeHtml(text) : text)
  }
}

/** The lexer adds up texts letter by letter, and V8 would walk through the letters again for every message. */
function flat(text: string): string {
  return JSON.parse(JSON.stringify(text))
}

function condition(node: ConditionNode, compiler: TemplateCompiler): Run {
  const test = compileExpression(node.cond, compiler, true)
  const then = compileBody(node.body, compiler)
  const otherwise: Run = node.else_ ? compileBody(node.else_, compiler) : () => {}
  return (state) => {
    state.at(node)
    state.fuel.spend(1)
    return truthy(test(state)) ? then(state) : otherwise(state)
  }
}

/** The variable `loop` of Nunjucks. */
function loopFields(index: number, length: number): Readonly<Record<string, unknown>> {
  return {
    index: index + 1,
    index0: index,
    revindex: length - index,
    revindex0: length - index - 1,
    first: index === 0,
    last: index === length - 1,
    length,
  }
}

function loop(node: ForNode, compiler: TemplateCompiler): Run {
  const names = loopNames(node)
  const source = compileExpression(node.arr, compiler)
  const body = compileBody(node.body, compiler)
  const otherwise: Run = node.else_ ? compileBody(node.else_, compiler) : () => {}
  return (state) => {
    state.at(node)
    const value = source(state)
    const items = names.length > 1 ? tuplesOf(value, state) : itemsOf(value, state.fuel)
    if (items.length === 0) return otherwise(state)
    state.within(new Scope(state.scope), () => turns(items, names, body, state))
  }
}

function turns(items: readonly unknown[], names: readonly string[], body: Run, state: RenderState): void {
  const { scope } = state
  const [name = ''] = names
  for (const [index, item] of items.entries()) {
    state.fuel.spend(4)
    scope.set('loop', loopFields(index, items.length))
    if (names.length === 1) scope.set(name, item)
    else for (const [part, partName] of names.entries()) scope.set(partName, lookup(item, part))
    body(state)
  }
}

function loopNames(node: ForNode): string[] {
  const nodes = node.name.typename === 'Array' ? node.name.children : [node.name]
  return nodes.map(nameOf)
}

function tuplesOf(value: unknown, state: RenderState): readonly unknown[] {
  const object =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(Symbol.iterator in value)
  if (!object || value instanceof SafeText || value instanceof Callable) return itemsOf(value, state.fuel)
  const entries = Object.entries(value)
  state.fuel.spend(entries.length)
  return entries
}

function nameOf(node: SyntaxNode): string {
  if (node.typename !== 'Symbol') throw faultAt(node, 'a variable name was expected')
  return node.value
}

function assignment(node: SetNode, compiler: TemplateCompiler): Run {
  const names = node.targets.map(nameOf)
  const source = node.value ?? node.body
  if (!source) throw faultAt(node, 'a value to set is missing')
  const evaluate = compileExpression(source, compiler)
  return (state) => {
    state.at(node)
    const value = evaluate(state)
    state.fuel.spend(1)
    for (const name of names) define(state, name, value)
  }
}

function define(state: RenderState, name: string, value: unknown): void {
  state.scope.assign(name, value)
  if (state.scope === state.top) state.variables.set(name, value)
}

function macroDefinition(node: MacroNode, compiler: TemplateCompiler): Run {
  const name = nameOf(node.name)
  const macro = compileMacro(node, compiler)
  return (state) => define(state, name, macro(state))
}

interface Parameters {
  readonly names: readonly string[]
  readonly defaults: readonly (readonly [string, Evaluate])[]
}

function parametersOf(node: MacroNode, compiler: TemplateCompiler): Parameters {
  const last = node.args.children.at(-1)
  const keywords: DictNode['children'] = last?.typename === 'KeywordArgs' ? last.children : []
  const plain = node.args.children.filter((child) => child.typename !== 'KeywordArgs')
  const defaults = keywords.map(
    (pair) => [nameOf(pair.key), compileExpression(pair.value, compiler)] as const,
  )
  return { names: plain.map(nameOf), defaults }
}

/** A macro sees what can be seen where it is defined, and writes to its own variables only. */
function compileMacro(node: MacroNode, compiler: TemplateCompiler): Evaluate {
  const parameters = parametersOf(node, compiler)
  const body = compileBody(node.body, compiler)
  const { autoescape } = compiler.options
  return (defining) => {
    const parent = defining.scope
    return new Callable((state, args, named) => {
      const scope = new Scope(parent, true)
      const text = state.within(scope, () => {
        bind(state, parameters, args, named)
        return state.capture(body)
      })
      return autoescape ? new SafeText(text) : text
    })
  }
}

function bind(
  state: RenderState,
  parameters: Parameters,
  args: readonly unknown[],
  named: NamedArguments,
): void {
  const { scope } = state
  for (const [index, name] of parameters.names.entries()) {
    scope.set(name, index < args.length ? args[index] : named.get(name))
  }
  for (const [index, [name, evaluate]] of parameters.defaults.entries()) {
    const position = parameters.names.length + index
    if (named.has(name)) scope.set(name, named.get(name))
    else scope.set(name, position < args.length ? args[position] : evaluate(state))
  }
  if (named.has('caller')) scope.set('caller', named.get('caller'))
}

function block(node: BlockNode, compiler: TemplateCompiler): Run {
  const body = compileBody(node.body, compiler)
  return (state) => state.within(new Scope(state.scope, true), () => body(state))
}

function choice(node: SwitchNode, compiler: TemplateCompiler): Run {
  const subject = compileExpression(node.expr, compiler, true)
  const cases = node.cases.map(({ cond, body }) => ({
    value: compileExpression(cond, compiler),
    // An empty case shares the body of the next one.
    body: body.children.length > 0 ? compileBody(body, compiler) : undefined,
  }))
  const otherwise: Run = node.default ? compileBody(node.default, compiler) : () => {}
  return (state) => {
    state.at(node)
    const wanted = subject(state)
    const found = cases.findIndex(({ value }) => value(state) === wanted)
    if (found === -1) return otherwise(state)
    const body = cases.slice(found).find((candidate) => candidate.body)?.body
    return (body ?? otherwise)(state)
  }
}
