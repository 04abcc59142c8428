// What can be read of a query without a parser: its metrics, variables, and what it sums up.

import type { Declaration } from '../../src/telemetry/declared/declaration.js'
import { sameEverywhere } from '../../src/telemetry/declared/declaration.js'
import { metricDeclarations } from '../../src/telemetry/metric-table.js'

const declared: Readonly<Record<string, Declaration>> = metricDeclarations

/** The declared names that it asks for; the parts of a histogram stand for it. */
export function metricsOf(expr: string): string[] {
  const found = [...expr.matchAll(/\b(?:fluxmail|process)_\w+/g)].map(([name]) => name)
  return found.map((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, '')
    return declared[name] === undefined && declared[base]?.type === 'histogram' ? base : name
  })
}

/** Those that it is declared with, and those that Prometheus adds. */
export function labelsOf(metric: string): string[] {
  const { labels = [], type = 'gauge' } = declared[metric] ?? {}
  return [...labels, 'job', 'instance', ...(type === 'histogram' ? ['le'] : [])]
}

export function variablesOf(expr: string): string[] {
  return [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name)
}

/** The text between a bracket and its fellow. */
function bracketed(text: string, from: number): string {
  let depth = 0
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')') depth -= 1
    if (depth === 0) return text.slice(from + 1, at)
  }
  throw new Error(`a bracket is open in ${text}`)
}

/** Metrics that are the same from every worker, inside a sum, an average or a count that no max stands within. */
export function sumsOfShared(expr: string): string[] {
  const sums = [...expr.matchAll(/\b(?:sum|avg|count)(?: by \([^)]*\))? ?\((?!\w+(?:, \w+)*\) \()/g)]
  return sums.flatMap((found) => {
    const inside = bracketed(expr, found.index + found[0].length - 1)
    const open = inside.replace(/\b(?:max|min)(?: by \([^)]*\))? ?\([^()]*\)/g, '')
    return metricsOf(open).filter((metric) => declared[metric]?.help.includes(sameEverywhere))
  })
}
