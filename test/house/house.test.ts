import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Breach, type House, rules } from './rules.js'
import { readSource, type Source } from './source.js'

// What git ignores, and the lockfile.
const skipped = new Set(['node_modules', 'dist', '.git', '.fluxmail', 'coverage', 'package-lock.json'])
const text = /\.(ts|mts|cts|mjs|js|cjs|json|md|ya?ml|html|css|csv|sh)$|(^|\/)(Dockerfile|run|LICENSE)$/

function pathsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !skipped.has(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? pathsIn(path) : [path]
    })
}

/** Code is parsed; of other files the rules see the lines. */
function sourceOf(path: string, content: string): Source {
  const isCode = /^(src|workers|scripts)\/.*\.(ts|mjs)$/.test(path)
  if (isCode) return readSource(path, content)
  return { path, text: content, lines: content.split('\n'), imports: [], uses: [], functions: [] }
}

function houseOf(files: Record<string, string>): House {
  return new Map(Object.entries(files).map(([path, content]) => [path, sourceOf(path, content)]))
}

function realHouse(): House {
  const paths = pathsIn('.').filter((path) => text.test(path) && statSync(path).size < 1_000_000)
  return houseOf(Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')])))
}

function describeBreach({ path, line, what }: Breach): string {
  return `${path}:${line} ${what}`
}

type Files = Record<string, string>

function examples(all: readonly Files[]): [string, Files][] {
  return all.map((files) => [JSON.stringify(files).slice(0, 100), files])
}

const house = realHouse()

test('the house is read: every room of src, and the set-up script', () => {
  for (const path of ['src/errors.ts', 'src/message/email-parts.ts', 'scripts/setup.mjs']) {
    expect(house.has(path)).toBe(true)
  }
})

describe.each(rules.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
  test('holds', () => {
    expect(rule.breaches(house).map(describeBreach)).toEqual([])
  })

  test.each(examples(rule.caught))('catches %s', (_, files) => {
    expect(rule.breaches(houseOf(files))).not.toEqual([])
  })

  test.each(examples(rule.allowed))('has nothing against %s', (_, files) => {
    expect(rule.breaches(houseOf(files)).map(describeBreach)).toEqual([])
  })
})
