// The reference tables of the README, each written from the one schema or list that the code itself uses.

import { z } from 'zod'
import { defaultLanes, laneSchema, relaySchema, workerSchema } from '../config.js'
import { environmentVariables } from '../environment.js'
import { fileVariables } from '../environment-files.js'
import { errorCodes } from '../errors.js'
import { type Preset, presets } from '../limits/presets.js'
import { shareOf } from '../limits/shares.js'
import { markdownTable } from './markdown-table.js'
import { metricsTables } from './reference-metrics.js'

/** Markdown by the name of the place in the README where it belongs. */
export function referenceTables(): Readonly<Record<string, string>> {
  return {
    environment: environmentTable(),
    worker: optionTable(workerSchema),
    relay: optionTable(relaySchema),
    lane: optionTable(laneSchema),
    lanes: lanesTable(),
    presets: presetsTable(),
    metrics: metricsTables(),
    errors: errorsTable(),
  }
}

function environmentTable(): string {
  const rows = Object.entries(environmentVariables).map(([name, { help }]) => [
    `\`${name}\``,
    Object.hasOwn(fileVariables, name) ? `${help}; \`${fileVariables[name]}\` names a file of it` : help,
  ])
  return markdownTable(['variable', 'meaning'], rows)
}

interface Property {
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Property>>
}

function optionTable(schema: z.ZodType): string {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Property & {
    required?: string[]
  }
  const rows = optionRows(root.properties ?? {}, new Set(root.required ?? []), '')
  return markdownTable(['option', 'default', 'meaning'], rows)
}

function optionRows(
  properties: Readonly<Record<string, Property>>,
  required: Set<string>,
  prefix: string,
): string[][] {
  return Object.entries(properties).flatMap(([name, property]) => {
    if (property.description === undefined && property.properties) {
      return optionRows(property.properties, required, `${prefix}${name}.`)
    }
    return [[`\`${prefix}${name}\``, defaultOf(name, property, required), property.description ?? '']]
  })
}

function defaultOf(name: string, { default: value }: Property, required: Set<string>): string {
  if (value === undefined) return required.has(name) ? '(required)' : ''
  return name === 'lanes' ? 'below' : `\`${JSON.stringify(value)}\``
}

function lanesTable(): string {
  const rows = Object.entries(defaultLanes).map(([lane, { retry, unknown }]) => {
    const delays = retry.delaysMs.map((ms) => duration(ms)).join(', ')
    return [
      `\`${lane}\``,
      `after ${delays}, ±${retry.jitter * 100} %`,
      duration(retry.maxAgeMs),
      `\`${unknown}\``,
      `${shareOf(lane, undefined)}`,
    ]
  })
  return markdownTable(['lane', 'tried again', 'until an age of', 'unknown', 'share'], rows)
}

function presetsTable(): string {
  const rows = Object.entries(presets).map(([name, preset]) => [
    `\`${name}\``,
    preset.service,
    hostsOf(preset),
    preset.published.map(({ options, page }) => `${valuesOf(options)} ([page](${page}))`).join('; '),
  ])
  return markdownTable(['preset', 'service', 'host', 'what it publishes, and where'], rows)
}

function hostsOf({ hosts }: Preset): string {
  return Object.entries(hosts)
    .map(([region, host]) => {
      const where = region === '' || region === '*' ? '' : ` (\`region: '${region}'\`)`
      return `\`${host.replace('*', '<region>')}\`${where}`
    })
    .join(', ')
}

function valuesOf(options: object): string {
  return Object.entries(options)
    .map(([name, value]) => `\`${name}: ${JSON.stringify(value).replaceAll('"', "'")}\``)
    .join(', ')
}

function duration(ms: number): string {
  const minutes = ms / 60_000
  return minutes < 60 ? `${minutes} min` : `${minutes / 60} h`
}

function errorsTable(): string {
  return markdownTable(
    ['code', 'raised when'],
    Object.entries(errorCodes).map(([code, meaning]) => [`\`${code}\``, meaning]),
  )
}
