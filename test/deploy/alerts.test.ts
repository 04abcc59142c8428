import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, type TestContext } from 'vitest'
import { parse } from 'yaml'
import { alertsPath, readRules } from '../../scripts/alerts-table.js'
import { requireProgram } from '../helpers/programs.js'

const folder = join(import.meta.dirname, 'alerts')
const files = readdirSync(folder)
const { alerts } = readRules()

/** Rejects with what promtool says, unless it is content. */
async function promtool(context: TestContext, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(requireProgram(context, 'promtool'), args, { timeout: 60_000 })
  return stdout
}

interface RuleTests {
  readonly tests: readonly {
    readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[]
  }[]
}

/** The alerts that a file expects to fire, by all their labels, and how often it expects none. */
function expected(file: string): { readonly fired: readonly string[]; readonly silences: number } {
  const { tests } = parse(readFileSync(join(folder, file), 'utf8')) as RuleTests
  const looks = tests.flatMap((test) => test.promql_expr_test)
  return {
    fired: looks.flatMap(({ exp_samples }) => exp_samples.map(({ labels }) => labels)),
    silences: looks.filter(({ exp_samples }) => exp_samples.length === 0).length,
  }
}

const fired = files.flatMap((file) => expected(file).fired)

it('Prometheus takes the rules', async (context) => {
  expect(await promtool(context, 'check', 'rules', alertsPath)).toContain('SUCCESS')
})

it.for(files)('exactly those alerts fire that %s expects, and when it does', async (file, context) => {
  expect(await promtool(context, 'test', 'rules', join(folder, file))).toContain('SUCCESS')
})

describe.each(alerts)('$alert ($labels.severity)', ({ alert, labels }) => {
  it('is seen to fire', () => {
    const wanted = Object.entries({ alertname: alert, ...labels }).map(
      ([name, value]) => `${name}="${value}"`,
    )
    expect(fired.filter((each) => wanted.every((label) => each.includes(label)))).not.toEqual([])
  })
})

it("what is nobody's trouble is seen to be quiet", () => {
  const quiet = expected('quiet.yml')
  expect(quiet.fired).toEqual([])
  expect(quiet.silences).toBeGreaterThan(50)
})
