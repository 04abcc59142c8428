// The titles of all tests, as they are written in the test files; a title of a table keeps its placeholders.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAst } from 'vitest/node'

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

function children(node: Node): Node[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isNode))
}

/** `test` of `test('…')`, `test.each(rows)('…')` and `describe.skipIf(no)('…')`; undefined for what never runs. */
function wordOf(callee: unknown): string | undefined {
  if (!isNode(callee)) return undefined
  if (callee.type === 'Identifier') return String(callee.name)
  if (callee.type === 'CallExpression') return wordOf(callee.callee)
  if (callee.type !== 'MemberExpression' || !isNode(callee.property)) return undefined
  return /^(skip|todo|fails)$/.test(String(callee.property.name)) ? undefined : wordOf(callee.object)
}

function titleOf(argument: unknown, source: string): string | undefined {
  if (!isNode(argument)) return undefined
  if (argument.type === 'Literal' && typeof argument.value === 'string') return argument.value
  if (argument.type === 'TemplateLiteral') return source.slice(argument.start + 1, argument.end - 1)
  // A title that is computed is known by how.
  return source.slice(argument.start, argument.end)
}

function collect(node: Node, source: string, path: readonly string[], found: string[]): void {
  const word = node.type === 'CallExpression' ? wordOf(node.callee) : undefined
  const [first, ...others] = (node.arguments ?? []) as readonly unknown[]
  const runs = others.some((one) => isNode(one) && /Function/.test(one.type))
  const title = word && /^(test|it|describe)$/.test(word) && runs ? titleOf(first, source) : undefined
  const inner = title === undefined ? path : [...path, title]
  if (title !== undefined && word !== 'describe') found.push(inner.join(' › '))
  for (const child of children(node)) collect(child, source, inner, found)
}

/** `describe › test` for each test of a file. */
function titlesOf(path: string): string[] {
  const source = readFileSync(path, 'utf8')
  const found: string[] = []
  collect(parseAst(source, { lang: 'ts' }) as unknown as Node, source, [], found)
  return found
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'fixtures' ? [] : testFiles(path)
    return entry.name.endsWith('.test.ts') ? [path] : []
  })
}

/** Every test of the repository as `test/file.test.ts › describe › test`. */
export function allTests(): Set<string> {
  return new Set(testFiles('test').flatMap((path) => titlesOf(path).map((title) => `${path} › ${title}`)))
}
