// The README's tables of metrics: one for each group, with labels and buckets, written from what is declared.

import type { Declaration } from '../telemetry/declared/declaration.js'
import { metricGroups } from '../telemetry/metric-table.js'
import { markdownTable } from './markdown-table.js'

export function metricsTables(): string {
  return Object.entries(metricGroups)
    .map(([title, metrics]) => `### ${title}\n\n${groupTable(metrics)}`)
    .join('\n\n')
}

function groupTable(metrics: Readonly<Record<string, Declaration>>): string {
  const rows = Object.entries(metrics).map(([name, { type, help, labels, buckets }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(' '),
    buckets === undefined ? help : `${help}. Buckets: ${buckets.join(', ')}`,
  ])
  return markdownTable(['metric', 'type', 'labels', 'meaning'], rows)
}
