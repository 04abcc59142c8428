// The options of OAuth2, in nodemailer's names: how a relay's access tokens are come by.
// What is checked here cannot fail later for being incomplete.

import { z } from 'zod'
import { pemSchema, readPrivateKey } from './private-key.js'
import { tlsSchema } from './tls-options.js'

/** What `getToken` resolves with. */
export interface AccessToken {
  readonly accessToken: string
  /** Milliseconds since 1970; without it the token is used until the relay refuses it. */
  readonly expiresAt?: number | undefined
}

export type GetToken = () => Promise<AccessToken>

export const getTokenSchema = z.custom<GetToken>((value) => typeof value === 'function', 'must be a function')

const text = z.string().min(1)

const shape = {
  type: z.literal('OAuth2', { error: 'must be OAuth2' }).meta({
    description: 'log in with OAuth2 (XOAUTH2), in place of `username` and `password`',
  }),
  user: z
    .string({ error: 'must be the mailbox to log in as' })
    .regex(/^[^\p{Cc}]+$/u, 'must be the mailbox to log in as')
    .meta({ description: 'the mailbox to log in as' }),
  clientId: text.optional().meta({ description: "the app's id" }),
  clientSecret: text.optional().meta({ description: "the app's secret" }),
  refreshToken: text.optional().meta({
    description:
      'what access tokens are had for; without it `clientId` and `clientSecret` ask by themselves (`client_credentials`, as for Microsoft 365)',
  }),
  accessToken: text.optional().meta({ description: 'a token to begin with' }),
  expires: z.number().optional().meta({ description: 'when that one ends, in milliseconds since 1970' }),
  accessUrl: z
    .url({ protocol: /^https?$/, error: 'must be an https URL' })
    .optional()
    .meta({ description: "the token endpoint; Google's unless given" }),
  scope: text.optional().meta({
    description: 'what is asked for; `https://outlook.office365.com/.default` for Microsoft 365',
  }),
  serviceClient: text
    .optional()
    .meta({ description: 'the id of a service account (Google), with `privateKey`' }),
  privateKey: pemSchema.optional().meta({ description: 'its RSA key in PEM' }),
  privateKeyFile: text.optional().meta({ description: 'a file that holds it, in place of `privateKey`' }),
  customParams: z
    .record(text, z.union([z.string(), z.number(), z.boolean()], 'must be a string, a number or a boolean'))
    .optional()
    .meta({ description: 'further fields of the token request; they win over ours' }),
  customHeaders: z
    .record(text, z.string())
    .optional()
    .meta({ description: 'further headers of the token request' }),
  tls: tlsSchema.optional().meta({ description: "Node's TLS options for the token endpoint, such as `ca`" }),
  getToken: getTokenSchema.optional().meta({
    description: 'your own function, which resolves to `{ accessToken, expiresAt }`; for code only',
  }),
}

export const oauth2Schema = z.strictObject(shape).transform((auth, context) => {
  const problem = problemOf(auth)
  const read = hasKey(auth) ? readPrivateKey(auth, ['rsa']) : undefined
  const wrong =
    problem ?? (read && 'problem' in read ? { option: read.option, message: read.problem } : undefined)
  if (wrong) context.addIssue({ code: 'custom', path: [wrong.option], message: wrong.message })
  const { privateKey: _pem, privateKeyFile: _file, ...rest } = auth
  return { ...rest, key: read && 'key' in read ? read.key : undefined }
})

/** Its key prints nothing of itself; the other secrets are as given. */
export type OAuth2Config = z.output<typeof oauth2Schema>

type Shape = z.output<z.ZodObject<typeof shape>>

interface Wrong {
  readonly option: string
  readonly message: string
}

function hasKey({ privateKey, privateKeyFile }: Shape): boolean {
  return privateKey !== undefined || privateKeyFile !== undefined
}

function problemOf(auth: Shape): Wrong | undefined {
  const { accessUrl, serviceClient, clientId, clientSecret } = auth
  if (accessUrl !== undefined && !isSafe(new URL(accessUrl)))
    return { option: 'accessUrl', message: 'must be an https URL, since secrets go there' }
  if (serviceClient !== undefined && !hasKey(auth))
    return {
      option: 'privateKey',
      message: 'is missing: serviceClient goes with privateKey or privateKeyFile',
    }
  if (auth.getToken || serviceClient || auth.accessToken || auth.customParams?.grant_type) return undefined
  const option = auth.refreshToken === undefined ? 'refreshToken' : 'clientId'
  if (clientId !== undefined && (auth.refreshToken !== undefined || (clientSecret && accessUrl)))
    return undefined
  const message =
    'nothing says how to come by a token: give refreshToken with clientId and clientSecret, or serviceClient with ' +
    'privateKey, or getToken, or accessUrl with clientId, clientSecret and scope (client_credentials)'
  return { option, message }
}

/** Loopback crosses no network. */
function isSafe({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}
