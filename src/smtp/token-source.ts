// The access tokens of one relay, for all its connections: one request at a time, whoever asks.
// It always settles, and keeps a token until it ends or the relay refuses it.

import type { Clock } from '../clock.js'
import type { AccessToken, OAuth2Config } from './oauth2-options.js'
import { requestToken, TokenError } from './token-request.js'

export interface TokenSource {
  /** @throws TokenError */
  get(): Promise<string>
  /** Another one than `refused`: asked for once, however many connections had that one refused. @throws TokenError */
  renew(refused: string): Promise<string>
}

/** A token that ends sooner is replaced before it is used. */
const MARGIN_MS = 30_000

export function createTokenSource(auth: OAuth2Config, timeoutMs: number, clock: Clock): TokenSource {
  return new SharedTokens(auth, timeoutMs, clock)
}

class SharedTokens implements TokenSource {
  readonly #auth: OAuth2Config
  readonly #timeoutMs: number
  readonly #clock: Clock
  #current: AccessToken | undefined
  #pending: Promise<string> | undefined

  constructor(auth: OAuth2Config, timeoutMs: number, clock: Clock) {
    const { accessToken, expires: expiresAt } = auth
    this.#auth = auth
    this.#timeoutMs = timeoutMs
    this.#clock = clock
    this.#current = accessToken === undefined ? undefined : { accessToken, expiresAt }
  }

  async get(): Promise<string> {
    const current = this.#current
    const endsAt = current?.expiresAt ?? Number.POSITIVE_INFINITY
    const isFresh = endsAt - MARGIN_MS > this.#clock.now() || !isRenewable(this.#auth)
    return current !== undefined && isFresh ? current.accessToken : this.#fetch()
  }

  async renew(refused: string): Promise<string> {
    const current = this.#current?.accessToken
    return current === undefined || current === refused ? this.#fetch() : current
  }

  #fetch(): Promise<string> {
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #ask(): Promise<string> {
    if (!isRenewable(this.#auth)) {
      const advice = 'give auth.refreshToken, or auth.getToken, to have it renewed'
      throw new TokenError(
        `the relay does not take auth.accessToken, which may have ended; ${advice}`,
        'EAUTH',
      )
    }
    const token = await this.#inTime(this.#auth.getToken ? ownToken(this.#auth.getToken) : this.#request())
    this.#current = token
    return token.accessToken
  }

  async #request(): Promise<AccessToken> {
    const token = await requestToken(this.#auth, this.#timeoutMs)
    if (isToken(token)) return token
    throw new TokenError('the token endpoint answered with something that is no token; check auth.accessUrl')
  }

  #inTime(asked: Promise<AccessToken>): Promise<AccessToken> {
    return new Promise((resolve, reject) => {
      const error = new TokenError(`no access token came within ${this.#timeoutMs} ms; check auth.accessUrl`)
      const stopTimer = this.#clock.after(this.#timeoutMs, () => reject(error))
      asked.then(resolve, reject).finally(stopTimer)
    })
  }
}

function isRenewable({
  getToken,
  refreshToken,
  serviceClient,
  customParams,
  ...auth
}: OAuth2Config): boolean {
  const isApp = auth.clientId !== undefined && auth.clientSecret !== undefined && auth.accessUrl !== undefined
  return !!(getToken || refreshToken || serviceClient || customParams?.grant_type || isApp)
}

async function ownToken(getToken: () => Promise<AccessToken>): Promise<AccessToken> {
  let token: unknown
  try {
    token = await getToken()
  } catch {
    // Its words are the app's, and may hold what the endpoint said.
    throw new TokenError('auth.getToken() failed; what it threw is not quoted here, so log it there')
  }
  if (isToken(token)) return token
  throw new TokenError(
    'auth.getToken() must resolve to { accessToken, expiresAt }, expiresAt in milliseconds',
  )
}

function isToken(value: unknown): value is AccessToken {
  if (typeof value !== 'object' || value === null) return false
  const { accessToken, expiresAt } = value as Record<string, unknown>
  const isTime = expiresAt === undefined || typeof expiresAt === 'number'
  return typeof accessToken === 'string' && /^[!-~]+$/.test(accessToken) && isTime
}
