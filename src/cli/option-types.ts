// The interfaces of what can be configured, out of the schemas, so that an editor shows what the README says.
// zod's own types carry no descriptions, and print what older versions of TypeScript do not read.

import type { z } from 'zod'
import {
  laneSchema,
  relaySchema,
  retentionSchema,
  retrySchema,
  weightedRelaySchema,
  workerSchema,
} from '../config.js'
import { providerLimitSchema, warmupSchema } from '../limits/limit-schema.js'
import { dkimSchema } from '../smtp/dkim-options.js'
import { getTokenSchema, oauth2Schema } from '../smtp/oauth2-options.js'
import { pemSchema } from '../smtp/private-key.js'
import { tlsSchema } from '../smtp/tls-options.js'

type Schema = z.core.$ZodType

const interfaces: readonly (readonly [name: string, meaning: string, schema: Schema])[] = [
  ['RetryRule', 'When a delivery is tried again.', retrySchema],
  ['LaneConfig', 'A lane: how its deliveries are tried again.', laneSchema],
  ['DkimOptions', 'Who signs, and with which key.', dkimSchema],
  ['OAuth2Options', 'How a relay is logged in to with OAuth2.', oauth2Schema],
  [
    'ProviderLimitOptions',
    'What may go through a relay to one provider, of the whole fleet.',
    providerLimitSchema,
  ],
  ['WarmupOptions', 'How a relay that nobody knows yet is given more mail each day.', warmupSchema],
  ['RelayOptions', 'A relay, and how it is spoken to.', relaySchema],
  ['WeightedRelay', 'A relay of a route that shares by weight.', weightedRelaySchema],
  [
    'RetentionOptions',
    'How long what is over is kept; what something waiting needs never goes.',
    retentionSchema,
  ],
  ['WorkerConfigInput', 'Relays, routes, lanes and the limits of a worker.', workerSchema],
]

/** Schemas that stand in a type by a name. */
const names = new Map<Schema, string>([
  ...interfaces.map(([name, , schema]) => [schema, name] as const),
  [tlsSchema, 'ConnectionOptions'],
  [pemSchema, 'Pem'],
  [getTokenSchema, 'GetToken'],
])

const LINE_WIDTH = 110

const opening = `// What can be configured, as types: written from the schemas by \`npm run docs\`, and not to be edited.
// Its sentences are those of the README's tables.

import type { ConnectionOptions } from 'node:tls'
import type { GetToken } from './smtp/oauth2-options.js'
import type { Pem } from './smtp/private-key.js'
`

/** The text of src/config-options.ts. */
export function configOptions(): string {
  return [opening, ...interfaces.map(([name, meaning, schema]) => interfaceOf(name, meaning, schema))].join(
    '\n',
  )
}

function interfaceOf(name: string, meaning: string, schema: Schema): string {
  const members = Object.entries(shapeOf(schema)).map(([key, field]) => member(key, field))
  return `/** ${meaning} */\nexport interface ${name} {\n${members.join('\n')}\n}\n`
}

function member(key: string, schema: Schema): string {
  const optional = isOptional(schema)
  const choices = [typeOf(schema), ...(optional ? ['undefined'] : [])].join(' | ')
  const line = `  ${key}${optional ? '?' : ''}: ${choices}`
  const docs = sentences(schema)
  return `${docs === '' ? '' : `  /** ${docs} */\n`}${line.length > LINE_WIDTH ? folded(line) : line}`
}

/** As the formatter would have it. */
function folded(line: string): string {
  const [name = '', choices = ''] = line.split(/(?<=:) /)
  return [name, ...choices.split(' | ').map((choice) => `    | ${choice}`)].join('\n')
}

function sentences(schema: Schema): string {
  const { description = meaningOf(schema).slice(0, -1) } = (schema as z.ZodType).meta() ?? {}
  const said = description && `${description.charAt(0).toUpperCase()}${description.slice(1)}.`
  const value = defaultOf(schema)
  return [said, value === undefined ? '' : `Default: \`${value}\`.`].filter((part) => part !== '').join(' ')
}

/** What an interface is, where a member is one and says no more. */
function meaningOf(schema: Schema): string {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type === 'optional' || def.type === 'prefault') return meaningOf(def.innerType)
  return interfaces.find(([, , known]) => known === schema)?.[1] ?? ''
}

function defaultOf(schema: Schema): string | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type !== 'default') return undefined
  const isShort = typeof def.defaultValue !== 'object' || Object.keys(def.defaultValue ?? {}).length === 0
  return isShort ? JSON.stringify(def.defaultValue) : undefined
}

function isOptional(schema: Schema): boolean {
  return ['optional', 'default', 'prefault'].includes(schema._zod.def.type)
}

function shapeOf(schema: Schema): z.core.$ZodShape {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type === 'pipe') return shapeOf(def.in._zod.def.type === 'transform' ? def.out : def.in)
  if (def.type === 'object') return def.shape
  throw new Error(`an interface cannot be written of ${def.type}`)
}

function typeOf(schema: Schema): string {
  const name = names.get(schema)
  if (name !== undefined) return name
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'string':
    case 'number':
    case 'boolean':
      return def.type
    case 'literal':
      return def.values.map(literal).join(' | ')
    case 'enum':
      return Object.values(def.entries).map(literal).join(' | ')
    case 'optional':
    case 'default':
    case 'prefault':
      return typeOf(def.innerType)
    case 'array':
      return `${typeOf(def.element)}[]`
    case 'record':
      return `Record<${typeOf(def.keyType)}, ${typeOf(def.valueType)}>`
    case 'union':
      return def.options.map(typeOf).join(' | ')
    default:
      throw new Error(`there is no type for ${def.type}; give it a name`)
  }
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}
