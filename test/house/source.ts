// One source file as the rules see it: what it imports, what it uses of the globals, how long its functions are.

import { posix } from 'node:path'
import { parseAst } from 'vitest/node'

export interface Import {
  readonly specifier: string
  /** The path in this repository, for a relative import. */
  readonly target?: string
  readonly typeOnly: boolean
  readonly names: readonly string[]
  readonly line: number
}

/** A use of a global: `Date.now`, `setTimeout`, `new Date()`, `process.env`, `process.on SIGTERM`. */
interface Use {
  readonly name: string
  readonly line: number
}

export interface Source {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
  readonly uses: readonly Use[]
  readonly functions: readonly { line: number; length: number }[]
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

type Visit = (node: Node, field: string, parent: Node | undefined) => void

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

function walk(node: Node, visit: Visit, field = '', parent?: Node): void {
  visit(node, field, parent)
  for (const [name, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value])
      if (isNode(child)) walk(child, visit, name, node)
  }
}

function children(node: Node, field: string): Node[] {
  const value = node[field]
  return (Array.isArray(value) ? value : [value]).filter(isNode)
}

function text(node: unknown): string | undefined {
  if (!isNode(node)) return undefined
  const value = node.type === 'Identifier' ? node.name : node.type === 'Literal' ? node.value : undefined
  return typeof value === 'string' ? value : undefined
}

function isLiteral(node: unknown): node is Node {
  return isNode(node) && node.type === 'Literal'
}

// Imports

const sourceField: Record<string, string> = {
  ImportDeclaration: 'source',
  ExportNamedDeclaration: 'source',
  ExportAllDeclaration: 'source',
  ImportExpression: 'source',
  TSImportType: 'source',
  TSExternalModuleReference: 'expression',
}

/** The module that a node asks for: import and export from, import(), import type, require(). */
function specifierOf(node: Node): string | undefined {
  const field = sourceField[node.type]
  if (field !== undefined) return text(node[field])
  if (node.type !== 'CallExpression' || text(node.callee) !== 'require') return undefined
  return text(children(node, 'arguments')[0])
}

function isTypeOnly(node: Node): boolean {
  if (node.type === 'TSImportType' || node.importKind === 'type' || node.exportKind === 'type') return true
  const specifiers = children(node, 'specifiers')
  return (
    specifiers.length > 0 && specifiers.every((one) => one.importKind === 'type' || one.exportKind === 'type')
  )
}

function targetOf(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
}

function importOf(path: string, node: Node, line: number): Import | undefined {
  const specifier = specifierOf(node)
  if (specifier === undefined) return undefined
  const target = targetOf(path, specifier)
  const names = children(node, 'specifiers').flatMap((one) => text(one.imported) ?? [])
  return { specifier, ...(target && { target }), typeOnly: isTypeOnly(node), names, line }
}

// Uses of globals

const naming = new Set(['property', 'key', 'imported', 'exported', 'local', 'label', 'exprName'])
const globalObjects = new Set(['globalThis', 'global'])

function memberName(node: Node): string | undefined {
  const isKnown = node.computed !== true || isLiteral(node.property)
  const property = isKnown ? text(node.property) : undefined
  const object =
    isNode(node.object) && node.object.type === 'MemberExpression'
      ? memberName(node.object)
      : text(node.object)
  if (object === undefined || property === undefined) return undefined
  return globalObjects.has(object) ? property : `${object}.${property}`
}

/** The first argument when it is written out, `*` when only running the code tells. */
function firstArgument(node: Node): string {
  const [first] = children(node, 'arguments')
  return isLiteral(first) ? String(first.value) : '*'
}

function callName(node: Node): string | undefined {
  const callee =
    isNode(node.callee) && node.callee.type === 'MemberExpression' ? memberName(node.callee) : undefined
  return callee?.startsWith('process.') ? `${callee} ${firstArgument(node)}` : undefined
}

function useOf(node: Node, field: string, parent: Node | undefined): string | undefined {
  if (node.type === 'MemberExpression') return memberName(node)
  if (node.type === 'CallExpression' && text(node.callee) !== 'Date') return callName(node)
  if (node.type === 'NewExpression' || node.type === 'CallExpression') {
    const bare = children(node, 'arguments').length === 0
    return text(node.callee) === 'Date' && bare ? 'new Date()' : undefined
  }
  const isName = node.type === 'Identifier' && (!naming.has(field) || parent?.computed === true)
  return isName ? text(node) : undefined
}

/** `const { env } = process` and `import { env } from 'node:process'` say process.env in other words. */
function hiddenUses(node: Node): string[] {
  if (node.type === 'ImportDeclaration' && /^(node:)?process$/.test(text(node.source) ?? '')) {
    return children(node, 'specifiers').flatMap((one) => `process.${text(one.imported) ?? ''}`)
  }
  if (node.type !== 'VariableDeclarator' || !isNode(node.id) || node.id.type !== 'ObjectPattern') return []
  const object = text(node.init)
  return object === undefined
    ? []
    : children(node.id, 'properties').map((one) => `${object}.${text(one.key) ?? ''}`)
}

// The whole

export function readSource(path: string, content: string): Source {
  const lines = content.split('\n')
  const lineAt = (offset: number) => content.slice(0, offset).split('\n').length
  const imports: Import[] = []
  const uses: Use[] = []
  const functions: { line: number; length: number }[] = []
  const program = parseAst(content, { lang: path.endsWith('.ts') ? 'ts' : 'js' }) as unknown as Node
  walk(program, (node, field, parent) => {
    const found = importOf(path, node, lineAt(node.start))
    if (found) imports.push(found)
    for (const name of [useOf(node, field, parent), ...hiddenUses(node)]) {
      if (name !== undefined) uses.push({ name, line: lineAt(node.start) })
    }
    if (/Function(Declaration|Expression)$/.test(node.type)) {
      functions.push({ line: lineAt(node.start), length: lineAt(node.end) - lineAt(node.start) + 1 })
    }
  })
  return { path, text: content, lines, imports, uses, functions }
}
