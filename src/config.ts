// The one schema of everything that can be configured: types, defaults, checks and the README's tables
// come from it. It is the only reader of process.env, and it never puts a value of a secret into a message.

import { isIP } from 'node:net'
import { z } from 'zod'
import { maxTimerMs } from './clock.js'
import { problemsOf, wordsWith } from './config-problems.js'
import { type ErrorCode, FluxMailError, guarded } from './errors.js'
import { normalizeDomain } from './message/domain.js'
import { dkimSchema } from './smtp/dkim-options.js'
import { oauth2Schema } from './smtp/oauth2-options.js'
import { type RelayHost, readRelayHost } from './smtp/relay-host.js'
import { tlsSchema } from './smtp/tls-options.js'

export type {
  DkimOptions,
  OAuth2Options,
  RelayOptions,
  RetryRule,
  WorkerConfigInput,
} from './config-options.js'

const milliseconds = z.number().int().min(0).max(maxTimerMs)
const port = z.number().int().min(1).max(65_535)
/** What names a relay, a route, a lane or a batch. */
export const name = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')

/** Who has to have a write before it counts: the primary of Redis alone, or a replica as well. */
export const durability = z.enum(['primary', 'replicated']).default('primary')

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

export const relaySchema = z
  .strictObject({
    host: z
      .string()
      .superRefine((host, context) => {
        const read = readRelayHost(host)
        if ('problem' in read) context.addIssue({ code: 'custom', message: read.problem })
      })
      .meta({ description: "the relay's name or address; `relay:domain` sets `domain` too" }),
    port: port.optional().meta({ description: '465 with `useSsl`, 587 with `useTls`, else 25' }),
    domain: z
      .string()
      .refine((domain) => normalizeDomain(domain) !== undefined, 'must be a domain such as example.com')
      .optional()
      .meta({ description: "the domain of EHLO; this machine's name unless given" }),
    username: z.string().min(1).optional().meta({ description: 'login name; with `password` or not at all' }),
    password: z.string().min(1).optional().meta({ description: 'login password' }),
    auth: oauth2Schema.optional(),
    useTls: z.boolean().default(false).meta({ description: 'STARTTLS required: no upgrade, no mail' }),
    useSsl: z.boolean().default(false).meta({ description: 'TLS from the first byte' }),
    tls: tlsSchema.optional().meta({
      description:
        "Node's TLS options (`ca`, `cert`, `key`, …); certificates are verified unless they say otherwise",
    }),
    allowPlaintextAuth: z
      .boolean()
      .default(false)
      .meta({ description: 'log in without TLS to a relay that is not on loopback' }),
    timeoutMs: milliseconds
      .min(1)
      .default(30_000)
      .meta({ description: 'for connecting, the greeting and every reply but the last' }),
    finalReplyTimeoutMs: milliseconds
      .min(1)
      .default(10 * MINUTE_MS)
      .meta({ description: 'for the reply to the final dot (RFC 5321, 4.5.3.2.6)' }),
    maxConnections: z
      .number()
      .int()
      .min(1)
      .default(10)
      .meta({ description: 'connections that one process keeps to the relay' }),
    maxMessagesPerConnection: z
      .number()
      .int()
      .min(1)
      .default(1000)
      .meta({ description: 'after so many messages a connection is replaced' }),
    idleMs: milliseconds
      .min(1)
      .default(8_000)
      .meta({ description: 'a connection unused for so long is closed' }),
    dkim: dkimSchema.optional(),
  })
  .superRefine((relay, context) => {
    for (const problem of relayProblems(relay)) context.addIssue({ code: 'custom', ...problem })
  })
  .transform((relay) => ({
    ...relay,
    ...hostAndDomain(relay.host, relay.domain),
    port: relay.port ?? (relay.useSsl ? 465 : relay.useTls ? 587 : 25),
  }))

interface Problem {
  path: string[]
  message: string
}

interface RelayShape {
  host: string
  username?: string | undefined
  password?: string | undefined
  auth?: unknown
  useTls: boolean
  useSsl: boolean
  allowPlaintextAuth: boolean
}

function relayProblems(relay: RelayShape): Problem[] {
  const problems: Problem[] = []
  const { host } = hostAndDomain(relay.host, undefined)
  const add = (path: string, message: string) => problems.push({ path: [path], message })
  if (relay.useTls && relay.useSsl)
    add('useSsl', 'cannot go with useTls: choose STARTTLS (useTls) or implicit TLS (useSsl)')
  if ((relay.username === undefined) !== (relay.password === undefined)) {
    add(
      relay.username === undefined ? 'username' : 'password',
      'username and password go together: give both or neither',
    )
  }
  const login = relay.auth === undefined ? 'username' : 'auth'
  if (relay.auth !== undefined && (relay.username !== undefined || relay.password !== undefined))
    add('auth', 'cannot go with username and password: give one or the other')
  const plain = !relay.useTls && !relay.useSsl && !relay.allowPlaintextAuth
  if (relay[login] !== undefined && plain && !isLoopback(host)) {
    add(login, 'would be sent without TLS; set useTls or useSsl, or allowPlaintextAuth if that is meant')
  }
  return problems
}

/** `domain` goes before that of the shorthand. */
function hostAndDomain(text: string, domain: string | undefined): RelayHost {
  const read = readRelayHost(text)
  // A host that cannot be read has been refused by now.
  const host = 'problem' in read ? { host: text } : read
  const normal = domain === undefined ? undefined : normalizeDomain(domain)
  return normal === undefined ? host : { ...host, domain: normal }
}

/** Whether a host can only be this machine, so that a password to it crosses no network. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

export type RelayConfig = z.output<typeof relaySchema>

export const weightedRelaySchema = z.strictObject({
  relay: name.meta({ description: 'its name' }),
  weight: z.number().positive().max(1_000_000).meta({ description: 'its share, beside those of the others' }),
})

const routeSchema = z.union([z.array(name).min(1), z.array(weightedRelaySchema).min(1)], {
  error: "must name its relays in order, ['a', 'b'], or each with its weight, [{ relay: 'a', weight: 3 }]",
})

export type RouteConfig = z.output<typeof routeSchema>

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
