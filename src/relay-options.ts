// A relay as it is configured: where it is, how it is logged in to, how it is spoken to, and what it is given.
// A preset stands under what is given; nothing here puts a value of a secret into a message.

import { isIP } from 'node:net'
import { z } from 'zod'
import { maxTimerMs } from './clock.js'
import { burstProblems, limitShape } from './limits/limit-schema.js'
import { presetNames } from './limits/presets.js'
import { type Named, presetProblems, regionName, withPreset } from './limits/with-preset.js'
import { normalizeDomain } from './message/domain.js'
import { dkimSchema } from './smtp/dkim-options.js'
import { oauth2Schema } from './smtp/oauth2-options.js'
import { type RelayHost, readRelayHost } from './smtp/relay-host.js'
import { tlsSchema } from './smtp/tls-options.js'

const MINUTE_MS = 60_000
const milliseconds = z.number().int().min(1).max(maxTimerMs)

/** The options of a relay as they are written. */
export const relayShape = {
  host: z
    .string()
    .superRefine((host, context) => {
      const read = readRelayHost(host)
      if ('problem' in read) context.addIssue({ code: 'custom', message: read.problem })
    })
    .optional()
    .meta({
      description: "the relay's name or address, required without a preset; `relay:domain` sets `domain` too",
    }),
  preset: z.enum(presetNames).optional().meta({
    description:
      'a service whose settings are known: those of the table of presets, under what is given beside it',
  }),
  region: z
    .string()
    .regex(regionName, 'must be the name of a region such as eu-west-1')
    .optional()
    .meta({ description: 'where the service is, for the preset `ses` (`eu-west-1`) or `mailgun` (`eu`)' }),
  port: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .meta({ description: '465 with `useSsl`, 587 with `useTls`, else 25' }),
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
    .default(30_000)
    .meta({ description: 'for connecting, the greeting and every reply but the last' }),
  finalReplyTimeoutMs: milliseconds
    .default(10 * MINUTE_MS)
    .meta({ description: 'for the reply to the final dot (RFC 5321, 4.5.3.2.6)' }),
  maxMessagesPerConnection: z
    .number()
    .int()
    .min(1)
    .default(1000)
    .meta({ description: 'after so many messages a connection is replaced' }),
  pipelineMessages: z.boolean().default(false).meta({
    description:
      "hands over the next message's envelope with this one's final dot, where the relay announces PIPELINING (RFC 2920): one round trip a message in place of two",
  }),
  idleMs: milliseconds.default(8_000).meta({ description: 'a connection unused for so long is closed' }),
  ...limitShape,
  dkim: dkimSchema.optional(),
}

const writtenSchema = z
  .strictObject(relayShape)
  .superRefine((relay, context) => {
    for (const problem of relayProblems(relay)) context.addIssue({ code: 'custom', ...problem })
  })
  .transform((relay) => ({
    ...relay,
    ...hostAndDomain(relay.host ?? '', relay.domain),
    port: relay.port ?? (relay.useSsl ? 465 : relay.useTls ? 587 : 25),
  }))

/** What the preset says, under what is given. */
export const relaySchema = z.preprocess(
  (given: z.input<typeof writtenSchema>) => withPreset(given),
  writtenSchema,
)

interface Problem {
  path: string[]
  message: string
}

interface RelayShape extends Named {
  ratePerSecond?: number | undefined
  burst?: number | undefined
  username?: string | undefined
  password?: string | undefined
  auth?: unknown
  useTls: boolean
  useSsl: boolean
  allowPlaintextAuth: boolean
}

function relayProblems(relay: RelayShape): Problem[] {
  const problems: Problem[] = [...presetProblems(relay), ...burstProblems(relay)]
  const { host } = hostAndDomain(relay.host ?? '', undefined)
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
