// What an ingress can be told, as one schema: checks, defaults and descriptions.
// It decides nothing about addresses to listen on; that is address.ts.

import { z } from 'zod'
import { maxTimerMs } from '../clock.js'
import { name, parseConfig } from '../config.js'
import { type Account, accountsOf } from './account.js'
import { invalidConfig } from './invalid-config.js'
import { keyPairProblem } from './key-pair.js'
import { isPasswordHash } from './password.js'

const MINUTE_MS = 60_000
const count = z.number().int().min(1)
const milliseconds = count.max(maxTimerMs)
const port = z.union(
  [z.number().int().min(0).max(65_535), z.literal(false)],
  'must be a port from 0 to 65535, or false for none',
)
const pem = z.custom<string | Buffer>(
  (value) => (typeof value === 'string' || Buffer.isBuffer(value)) && value.length > 0,
  'must be PEM, as a string or a Buffer',
)

const userSchema = z.strictObject({
  username: z
    .string()
    .regex(/^[^\p{Cc}]{1,255}$/u, 'must be 1 to 255 characters')
    .meta({ description: 'login name' }),
  passwordHash: z
    .string()
    .refine(isPasswordHash, 'must be a hash that `fluxmail ingress --hash-password` has made')
    .meta({ description: 'what `fluxmail ingress --hash-password` prints for the password' }),
  lane: name.optional().meta({ description: 'the lane of what this user submits' }),
  route: name.optional().meta({ description: 'and its route' }),
  senders: z.array(z.string()).min(1, 'must name at least one sender').optional().meta({
    description: 'what MAIL FROM may be: `a@example.com`, or `@example.com` for a domain; any unless given',
  }),
})

export const ingressSchema = z.strictObject({
  host: z
    .string()
    .min(1, 'must be an address to listen on')
    .default('127.0.0.1')
    .meta({ description: 'where it listens; anything but loopback needs `tls` and `users`' }),
  port: port.default(2587).meta({ description: 'the port with STARTTLS; 0 for any free one' }),
  securePort: port.default(false).meta({ description: 'a port with TLS from the first byte' }),
  tls: z
    .strictObject({ key: pem, cert: pem })
    .superRefine((pair, context) => {
      const problem = keyPairProblem(pair)
      if (problem !== undefined)
        context.addIssue({ code: 'custom', message: `key and cert cannot be used: ${problem}` })
    })
    .optional()
    .meta({ description: 'key and certificate (PEM); TLS 1.2 is the oldest that is spoken' }),
  users: z
    .array(userSchema)
    .min(1, 'must name at least one user')
    .optional()
    .meta({ description: 'who may log in; with users nobody submits without a login' }),
  maxMessageBytes: count
    .default(36 * 1024 * 1024)
    .meta({ description: 'SIZE; the default carries 25 MB of attachments once they are encoded' }),
  maxReceivingBytes: count
    .default(128 * 1024 * 1024)
    .meta({ description: 'messages that are being received or stored at once, together' }),
  maxRecipients: count.default(1000).meta({ description: 'recipients of one message' }),
  maxConnections: count.default(200).meta({ description: 'connections at once' }),
  maxFailedLogins: count.default(10).meta({
    description:
      'different wrong passwords for one user from one address in ten minutes, before that user is locked out there; five times as many lock out the address, a hundred times the user everywhere',
  }),
  idleTimeoutMs: milliseconds
    .default(5 * MINUTE_MS)
    .meta({ description: 'silence of a client before it is dropped (RFC 5321, 4.5.3.2.7)' }),
  loginTimeoutMs: milliseconds
    .default(MINUTE_MS)
    .meta({ description: 'how long a connection may take to log in, where there are users' }),
  messageTimeoutMs: milliseconds
    .default(10 * MINUTE_MS)
    .meta({ description: 'how long a client may take to send one message' }),
  lane: name.default('transactional').meta({ description: 'the lane of what is submitted' }),
  route: name.optional().meta({ description: "and its route; the worker's `default` unless given" }),
  domain: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, 'must be a domain')
    .optional()
    .meta({ description: "what it calls itself; this machine's name unless given" }),
  logAddresses: z.boolean().default(false).meta({ description: 'write senders and users into log lines' }),
})

export type IngressSettings = Omit<z.output<typeof ingressSchema>, 'users'> & {
  /** By user name. */
  readonly accounts: ReadonlyMap<string, Account> | undefined
}

/** @throws FluxMailError `invalid_config` with a line for each thing that is wrong */
export function parseIngressOptions(options: unknown): IngressSettings {
  const { users, ...settings } = parseConfig(ingressSchema, options, 'the configuration of the ingress')
  if (settings.port === false && settings.securePort === false) {
    throw invalidConfig(
      'port and securePort are both false, so that it would listen nowhere; give one of them',
    )
  }
  if (settings.securePort !== false && settings.tls === undefined) {
    throw invalidConfig('securePort is TLS from the first byte and needs tls: { key, cert }')
  }
  if (settings.maxReceivingBytes < settings.maxMessageBytes) {
    throw invalidConfig(
      'maxReceivingBytes is less than maxMessageBytes, so that the largest message never fits',
    )
  }
  return { ...settings, accounts: users && accountsOf(users) }
}
