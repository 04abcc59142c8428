// The one schema of everything that can be configured: types, defaults, checks and the README's tables
// come from it. It is the only reader of process.env, and it never puts a value of a secret into a message.

import { z } from 'zod'
import { maxTimerMs } from './clock.js'
import { problemsOf, wordsWith } from './config-problems.js'
import { type ErrorCode, FluxMailError, guarded } from './errors.js'
import { allProviders, knownProviders } from './limits/provider-table.js'
import { defaultShares, sharesProblem } from './limits/shares.js'
import { normalizeDomain } from './message/domain.js'
import { relaySchema } from './relay-options.js'
import { layoutProblem } from './store/shard-layout.js'

export type {
  DkimOptions,
  OAuth2Options,
  RelayOptions,
  RetryRule,
  WorkerConfigInput,
} from './config-options.js'
export { type RelayConfig, relaySchema } from './relay-options.js'

const milliseconds = z.number().int().min(0).max(maxTimerMs)
/** What names a relay, a route, a lane or a batch. */
export const name = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')

/** Who has to have a write before it counts: the primary of Redis alone, or a replica as well. */
export const durability = z.enum(['primary', 'replicated']).default('primary')

/** Over how many places in Redis lanes are spread. */
export const shardCount = z.number().int().min(1).max(64).default(1)

export const retrySchema = z.strictObject({
  delaysMs: z
    .array(milliseconds)
    .min(1)
    .meta({ description: 'wait before each further attempt; the last one repeats' }),
  jitter: z.number().min(0).max(1).meta({ description: 'each delay is varied by up to this share' }),
  maxAgeMs: milliseconds.meta({
    description:
      'a delivery older than this fails; age counts from its first attempt that reached MAIL FROM, without time held',
  }),
  maxAttempts: z.number().int().min(1).optional().meta({ description: 'a further limit, none by default' }),
})

export const laneSchema = z.strictObject({
  retry: retrySchema,
  share: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({
      description: `the share of permits and connections that the lane is sure of, which others borrow while it is idle: ${defaultShares.transactional} for \`transactional\`, ${defaultShares.bulk} for \`bulk\` and 0 for others unless given; together at most 1`,
    }),
  unknown: z.enum(['hold', 'resend']).meta({
    description:
      'what becomes of a delivery whose relay fell silent after the final dot: kept for a person, or sent again with the same Message-ID',
  }),
  suppressOnBounce: z.boolean().optional().meta({
    description:
      'whether nothing more is sent to a recipient that a relay refuses as 5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10 or 5.2.1; so it is in the lane `bulk` and in no other, unless given',
  }),
})

const DAY_SECONDS = 24 * 3600
const seconds = z
  .number()
  .int()
  .min(1)
  .max(3650 * DAY_SECONDS)

/** How long what is over is kept; what something waiting needs never goes. */
export const retentionSchema = z.strictObject({
  finishedSeconds: seconds.default(3600).meta({
    description:
      'deliveries that were sent or skipped, the last 5,000 of a lane at the most, and the content of a batch after its end',
  }),
  failedSeconds: seconds.default(28 * DAY_SECONDS).meta({
    description: 'deliveries that failed or are unknown, with all that it takes to replay them',
  }),
  batchSeconds: seconds.default(30 * DAY_SECONDS).meta({
    description: 'the counts of a batch after its end; one with failures stays for as long as they do',
  }),
})

export type RetentionConfig = z.output<typeof retentionSchema>

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const delaysMs = [1, 5, 15, 60, 120, 240].map((minutes) => minutes * MINUTE_MS)

/** The lanes that exist unless configured otherwise. */
export const defaultLanes: Readonly<Record<string, z.output<typeof laneSchema>>> = {
  transactional: { retry: { delaysMs, jitter: 0.2, maxAgeMs: 4 * HOUR_MS }, unknown: 'resend' },
  bulk: { retry: { delaysMs, jitter: 0.2, maxAgeMs: 48 * HOUR_MS }, unknown: 'hold' },
}

export const weightedRelaySchema = z.strictObject({
  relay: name.meta({ description: 'its name' }),
  weight: z.number().positive().max(1_000_000).meta({ description: 'its share, beside those of the others' }),
})

const routeSchema = z.union([z.array(name).min(1), z.array(weightedRelaySchema).min(1)], {
  error: "must name its relays in order, ['a', 'b'], or each with its weight, [{ relay: 'a', weight: 3 }]",
})

export type RouteConfig = z.output<typeof routeSchema>

const domain = z
  .string()
  .refine((text) => normalizeDomain(text) !== undefined, 'must be a domain such as example.com')

/** In metrics and `fluxmail limits` it stands beside a relay's own limit. */
const provider = name.refine((text) => text !== allProviders, 'must not be all, which means every provider')

const workerShape = {
  relays: z.record(name, relaySchema).meta({ description: 'relays by name' }),
  routes: z.record(name, routeSchema).default({}).meta({
    description:
      "named choices of relays: in order, `['a', 'b']`, or by weight, `[{ relay: 'a', weight: 3 }, …]`; `default` is all relays in the order given",
  }),
  lanes: z
    .record(name, laneSchema)
    .default(defaultLanes)
    .meta({ description: 'lanes by name, in place of the two built in' }),
  shards: shardCount.meta({
    description:
      'over how many places in Redis the lanes are spread, so that a cluster has their mail on several masters; every queue needs the same number and the same order of lanes',
  }),
  providers: z.record(domain, provider).default({}).meta({
    description:
      "which provider takes the mail of a domain, beside those that are known: `{ 'example.com': 'google' }`; with `mxLookup` also by the name of its MX host or an end of it",
  }),
  mxLookup: z.boolean().default(false).meta({
    description: 'ask DNS for the provider of a domain that is not in the table; answers are kept',
  }),
  concurrency: z
    .number()
    .int()
    .min(1)
    .default(20)
    .meta({ description: 'deliveries that one process works on at once, for each lane' }),
  maxPerWorkerPerSecond: z
    .number()
    .positive()
    .optional()
    .meta({ description: 'messages that this one process hands to relays in a second; no limit by default' }),
  lockMs: milliseconds
    .min(1000)
    .default(30_000)
    .meta({ description: "how long a dead worker's deliveries stay with it" }),
  retention: retentionSchema.prefault({}),
  durability: durability.meta({
    description:
      '`replicated`: nothing is sent before a replica of Redis has the mark of it (`WAIT 1`); `primary` does not ask',
  }),
  logAddresses: z.boolean().default(false).meta({ description: 'write recipients into log lines' }),
}

export const workerSchema = z.strictObject(workerShape).superRefine((config, context) => {
  for (const part of ['relays', 'lanes'] as const) {
    if (Object.keys(config[part]).length > 0) continue
    context.addIssue({ code: 'custom', path: [part], message: `must name at least one ${part.slice(0, -1)}` })
  }
  const providers = new Set([...knownProviders, ...Object.values(config.providers)])
  for (const [relay, limits] of Object.entries(config.relays)) {
    for (const provider of Object.keys(limits.providers)) {
      if (providers.has(provider)) continue
      const message = `there is no such provider; there are ${[...providers].join(', ')}, and those that the option providers of the worker names`
      context.addIssue({ code: 'custom', path: ['relays', relay, 'providers', provider], message })
    }
  }
  const layout = layoutProblem({ shards: config.shards, lanes: Object.keys(config.lanes) })
  if (layout !== undefined) context.addIssue({ code: 'custom', path: ['shards'], message: layout })
  const shares = sharesProblem(config.lanes)
  if (shares !== undefined) context.addIssue({ code: 'custom', path: ['lanes'], message: shares })
  for (const [route, relays] of Object.entries(config.routes)) {
    for (const entry of relays) {
      const relay = typeof entry === 'string' ? entry : entry.relay
      if (Object.hasOwn(config.relays, relay)) continue
      context.addIssue({
        code: 'custom',
        path: ['routes', route],
        message: `names ${relay}, which is no relay`,
      })
    }
  }
})

/** `durability` as the environment says it. */
export function parseDurability(text: string | undefined): z.output<typeof durability> {
  return parseConfig(durability, text, 'FLUXMAIL_DURABILITY')
}

export type WorkerConfig = z.output<typeof workerSchema>

/**
 * Checks `input` against `schema`; throws `invalid_config` with one line for each thing that is wrong. `besides` are
 * options that stand beside those of `schema` where the user writes them.
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  input: unknown,
  where: string,
  besides: readonly string[] = [],
): z.output<S> {
  return parseWith(schema, input, { code: 'invalid_config', where, wrong: `${where} is wrong`, besides })
}

/** As `parseConfig` does, with another code. `wrong` is said before the lines. */
export function parseWith<S extends z.ZodType>(
  schema: S,
  input: unknown,
  { wrong, ...reading }: Reading & { readonly wrong: string },
): z.output<S> {
  const read = readWith(schema, input, reading)
  if ('data' in read) return read.data
  const { problems } = read
  throw new FluxMailError(reading.code, `${wrong}:\n  ${problems.join('\n  ')}`, { details: { problems } })
}

interface Reading {
  readonly code: ErrorCode
  readonly where: string
  readonly besides?: readonly string[]
}

/** What `schema` makes of `input`, or what is wrong with it. Throws `code` where `input` cannot be looked at. */
export function readWith<S extends z.ZodType>(
  schema: S,
  input: unknown,
  { code, where, besides = [] }: Reading,
): { data: z.output<S> } | { problems: string[] } {
  return guarded(code, where, () => {
    const parsed = schema.safeParse(input, { error: wordsWith(besides) })
    return parsed.success ? { data: parsed.data } : { problems: problemsOf(parsed.error.issues) }
  })
}

export type Env = Readonly<Record<string, string | undefined>>

/** The environment of this process. */
export function processEnv(): Env {
  return process.env
}

/** Reads JSON text as configuration; throws `invalid_config` that names the file and quotes nothing of it. */
export function parseConfigFile(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    const position = /at position (\d+)/.exec(String(thrown))?.[1]
    const where =
      position === undefined ? '' : `, first at line ${text.slice(0, Number(position)).split('\n').length}`
    throw new FluxMailError('invalid_config', `${file} is not JSON${where}`)
  }
}
