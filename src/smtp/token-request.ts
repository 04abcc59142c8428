// One request for an access token, made by nodemailer. What comes of a failure is a sentence that says what to do;
// no word of the endpoint's answer is in it but known codes, since endpoints echo secrets.

import XOAuth2 from 'nodemailer/lib/xoauth2'
import type { AccessToken, OAuth2Config } from './oauth2-options.js'

/** Why there is no token. Its message holds no secret. */
export class TokenError extends Error {
  /** `EAUTH` where the next try would come to the same. */
  readonly code: 'EOAUTH2' | 'EAUTH'

  constructor(message: string, code: 'EOAUTH2' | 'EAUTH' = 'EOAUTH2') {
    super(message)
    this.code = code
  }
}

type PostRequest = Parameters<XOAuth2['postRequest']>

/** nodemailer's, which always asks with a refresh token or as a service, opened for other grants. */
class TokenRequest extends XOAuth2 {
  override postRequest(...[url, payload, params, callback]: PostRequest): void {
    super.postRequest(url, fieldsOf(payload), params, callback)
  }
}

/** Stands for the refresh token where there is none: nodemailer asks for nothing without one. */
const NO_REFRESH_TOKEN = 'none'

function fieldsOf(payload: PostRequest[1]): PostRequest[1] {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return payload
  const fields = Object.entries(payload).filter(([name, value]) => {
    return value !== '' && (name !== 'refresh_token' || value !== NO_REFRESH_TOKEN)
  })
  return Object.fromEntries(fields)
}

/** @throws TokenError */
export function requestToken(auth: OAuth2Config, timeoutMs: number): Promise<AccessToken> {
  const request = new TokenRequest(optionsOf(auth, timeoutMs))
  return new Promise((resolve, reject) => {
    request.generateToken((error, accessToken) => {
      const host = new URL(request.options.accessUrl ?? '').host
      if (error) reject(errorOf(error, host))
      else resolve({ accessToken, ...(request.expires > 0 ? { expiresAt: request.expires } : {}) })
    })
  })
}

function optionsOf(auth: OAuth2Config, timeoutMs: number) {
  const { type: _type, getToken: _getToken, key, accessToken: _token, expires: _expires, ...rest } = auth
  const options = { ...rest, requestTimeout: timeoutMs, ...(key ? { privateKey: key } : {}) }
  if (auth.refreshToken !== undefined || auth.serviceClient !== undefined) return options
  const grant = {
    grant_type: 'client_credentials',
    ...(auth.scope === undefined ? {} : { scope: auth.scope }),
  }
  return { ...options, refreshToken: NO_REFRESH_TOKEN, customParams: { ...grant, ...auth.customParams } }
}

/** The codes of RFC 6749, 5.2, and what to do about each. */
const advice: ReadonlyMap<string, string> = new Map([
  [
    'invalid_grant',
    'what was given for a token is expired or revoked; authorise anew, and check the clock of this machine',
  ],
  ['invalid_client', 'check auth.clientId and auth.clientSecret'],
  ['unauthorized_client', 'allow this way of asking in the settings of the app, or check auth.clientId'],
  ['invalid_scope', 'check auth.scope'],
  ['unsupported_grant_type', 'check auth.accessUrl and auth.customParams'],
  ['invalid_request', 'check the options under auth'],
  ['access_denied', 'the app is not allowed this mailbox; check auth.user and the settings of the app'],
])
/** What the endpoint says of itself. */
const passing = new Set(['temporarily_unavailable', 'server_error'])

function errorOf({ message, code }: Error & { code?: string }, host: string): TokenError {
  const endpoint = `the token endpoint ${host}`
  const refusal = code === 'EOAUTH2' ? /^[a-z_]+/.exec(message)?.[0] : undefined
  if (refusal !== undefined && passing.has(refusal))
    return new TokenError(`${endpoint} says ${refusal}: try again later`)
  const known = refusal === undefined ? undefined : advice.get(refusal)
  if (known !== undefined) {
    // Microsoft's own number for it, which its documentation explains.
    const number = /\bAADSTS\d{3,9}\b/.exec(message)?.[0]
    const said = `refused with ${refusal}${number === undefined ? '' : ` (${number})`}`
    return new TokenError(`${endpoint} ${said}: ${known}`, 'EAUTH')
  }
  if (code === 'EFETCH')
    return new TokenError(`${endpoint} cannot be reached: ${reasonOf(message)}; check auth.accessUrl`)
  if (message.startsWith("Can't generate token"))
    return new TokenError('auth.privateKey cannot sign the request for a token', 'EAUTH')
  return new TokenError(`${endpoint} answered with no token; check auth.accessUrl and the options beside it`)
}

function reasonOf(message: string): string {
  if (message === 'Request Timeout') return 'no answer in time'
  // A redirect names a URL of the endpoint's own making.
  return /URL|redirect/i.test(message) ? 'it sent us elsewhere' : message
}
