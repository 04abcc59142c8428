import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type AlertRule, alertsTable, readRules } from '../../scripts/alerts-table.js'
import type { Declaration } from '../../src/telemetry/declared/declaration.js'
import { metricDeclarations } from '../../src/telemetry/metric-table.js'
import { run } from '../cli/terminal.js'

const { alerts, records } = readRules()
const declared: Readonly<Record<string, Declaration>> = metricDeclarations
const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')
/** What Prometheus itself puts on every series. */
const targetLabels = ['job', 'instance']
const anyName = /\b(?:lane:|relay:)?fluxmail_\w+(?::\w+)?/g

interface Named {
  readonly metrics: readonly string[]
  readonly labels: readonly string[]
}

/** The metrics that an expression names, and the labels that it groups, joins or chooses by. */
function namedIn(expr: string): Named {
  const lists = [...expr.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)].map(([, list = '']) => list)
  const chosen = [...expr.matchAll(/[{,]\s*(\w+)\s*(?:=|!=|=~|!~)/g)].map(([, label = '']) => label)
  const grouped = lists.flatMap((list) => list.split(',').map((label) => label.trim()))
  return {
    metrics: [...expr.matchAll(anyName)].map(([name]) => name),
    labels: [...chosen, ...grouped].filter((label) => label !== ''),
  }
}

const recorded = new Set(records.map(({ record }) => record))
const isKnown = (name: string) => Object.hasOwn(declared, name) || recorded.has(name)

/** Those of a metric, or of all that a recording rule reads. */
function labelsOf(name: string): readonly string[] {
  const record = records.find((each) => each.record === name)
  return record ? namedIn(record.expr).metrics.flatMap(labelsOf) : (declared[name]?.labels ?? [])
}

function unknownIn(expr: string): string[] {
  const { metrics, labels } = namedIn(expr)
  const known = new Set([...targetLabels, ...metrics.flatMap(labelsOf)])
  return [...metrics.filter((name) => !isKnown(name)), ...labels.filter((label) => !known.has(label))]
}

/** Gauges that are the same from every worker and are summed up all the same. */
function summed(expr: string): string[] {
  const sums = [...expr.matchAll(/\bsum\b[^(]*(?:\([^)]*\)\s*)?\(\s*(?:\w+\()?(fluxmail_\w+)/g)]
  return sums.flatMap(([, name = '']) => (declared[name]?.help.includes('never sum') ? [name] : []))
}

describe.each([...records.map(({ record, expr }) => ({ name: record, expr })), ...alerts.map(named)])(
  'the rule $name, $expr',
  ({ expr }) => {
    it('names metrics and labels that are declared', () => {
      expect(namedIn(expr).metrics).not.toEqual([])
      expect(unknownIn(expr)).toEqual([])
    })

    it('never sums what is the same from every worker', () => {
      expect(summed(expr)).toEqual([])
    })
  },
)

function named({ alert, expr }: AlertRule) {
  return { name: alert, expr }
}

it('a name, a label or a sum that is wrong would be found', () => {
  expect(unknownIn('sum by (lane) (rate(fluxmail_messages_tota[5m])) > 0')).toContain(
    'fluxmail_messages_tota',
  )
  expect(unknownIn('max by (lanes) (fluxmail_unknown)')).toEqual(['lanes'])
  expect(unknownIn('fluxmail_unknown{lame="bulk"}')).toEqual(['lame'])
  expect(unknownIn('fluxmail_messages_total unless on (relai) fluxmail_unknown')).toEqual(['relai'])
  expect(summed('sum by (lane) (fluxmail_unknown)')).toEqual(['fluxmail_unknown'])
  expect(summed('sum(delta(fluxmail_unknown[5m]))')).toEqual(['fluxmail_unknown'])
})

describe.each(alerts)('$alert ($labels.severity)', ({ alert, labels, annotations }) => {
  it('says how urgent it is, what it means, with its values, what to do, and where that stands', () => {
    expect(labels.severity).toMatch(/^(page|ticket)$/)
    const { summary = '', description = '', action = '', runbook_url: place = '' } = annotations
    for (const text of [summary, action]) expect(text).toMatch(/^\S.{20,}\.$/)
    if (alert !== 'FluxMailNoWorkers') expect(description).toContain('{{ $')
    const words = alert.replace('FluxMail', '').replace(/(?!^)[A-Z]/g, '-$&')
    expect(place).toBe(`README.md#alert-${words.toLowerCase()}`)
    expect(readme).toContain(`<a id="${place.split('#')[1]}"></a>\`${alert}\``)
  })

  it('describes by labels that its expressions give', () => {
    const rules = alerts.filter((each) => each.alert === alert)
    const given = rules.flatMap((rule) => [
      ...namedIn(rule.expr).metrics.flatMap(labelsOf),
      ...Object.keys(rule.labels),
    ])
    const used = [...(annotations.description ?? '').matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    for (const label of used) expect([...given, ...targetLabels]).toContain(label)
  })
})

const commands = alerts.flatMap(({ annotations }) => annotations.action?.match(/(?<=`fluxmail )[^`]+/g) ?? [])

it.each([...new Set(commands)])('there is a command `fluxmail %s`', async (command) => {
  const words = command.split(' ')
  const named = words.filter((word) => !word.startsWith('-'))
  const { stdout, exitCode } = await run([...named, '--help'])
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(new RegExp(`^Usage: fluxmail ${named.join(' ')}\\b`))
  for (const flag of words.slice(named.length)) expect(stdout).toContain(`${flag} `)
})

it('the README has the table of the alerts as they are', () => {
  expect(readme).toContain(`<!-- alerts:begin -->\n${alertsTable()}\n<!-- alerts:end -->`)
})

it('every alert that people ask for is there', () => {
  const asked = [
    'NotDraining',
    'TransactionalWait',
    'BacklogEta',
    'RelayCircuitOpen',
    'AuthenticationFailing',
    'Throttled',
    'FailureRatio',
    'UnknownOutcomes',
    'NoWorkers',
    'WorkerWithoutProgress',
    'Stalled',
    'RedisMemory',
    'RedisPolicy',
    'RedisPersistence',
    'EventLoopLag',
    'ReconnectChurn',
  ]
  const names = new Set(alerts.map(({ alert }) => alert))
  expect(asked.filter((name) => !names.has(`FluxMail${name}`))).toEqual([])
})
