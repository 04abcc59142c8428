// The README's table of alerts, from the annotations of the rules: what each means and what to do stands there once.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { markdownTable } from '../src/cli/markdown-table.js'

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface RecordingRule {
  readonly record: string
  readonly expr: string
}

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly (AlertRule | RecordingRule)[] }[]
}

export const alertsPath = join(import.meta.dirname, '..', 'deploy', 'prometheus', 'alerts.yml')

/** All rules of the file, in its order. */
export function readRules(): { readonly alerts: AlertRule[]; readonly records: RecordingRule[] } {
  const { groups } = parse(readFileSync(alertsPath, 'utf8')) as RuleFile
  const rules = groups.flatMap((group) => group.rules)
  return {
    alerts: rules.filter((rule) => 'alert' in rule),
    records: rules.filter((rule) => 'record' in rule),
  }
}

/** A row for each alert, whose rules may be several. */
export function alertsTable(): string {
  const { alerts } = readRules()
  const names = [...new Set(alerts.map(({ alert }) => alert))]
  const rows = names.map((name) => rowOf(alerts.filter(({ alert }) => alert === name)))
  return markdownTable(['alert', 'severity', 'means', 'do'], rows)
}

function rowOf(rules: readonly AlertRule[]): string[] {
  const [{ alert = '', annotations = {} } = {}] = rules
  const severities = new Set(rules.map(({ labels }) => labels.severity ?? ''))
  const { summary = '', action = '', runbook_url: place = '' } = annotations
  const anchor = place.slice(place.indexOf('#') + 1)
  return [`<a id="${anchor}"></a>\`${alert}\``, [...severities].sort().join(', '), summary, action]
}
