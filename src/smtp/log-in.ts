// Logging in: with a password, or with an access token that is renewed once when the relay refuses it.
// No secret that was sent is ever part of what is said about a refusal.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type XOAuth2 from 'nodemailer/lib/xoauth2'
import { systemClock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Connection } from './connection.js'
import type { OAuth2Config } from './oauth2-options.js'
import { createTokenSource, type TokenSource } from './token-source.js'

type TokenCallback = (error: Error | null, token?: string) => void

export interface LogIn {
  /** Calls back once, unless the connection ends first. */
  run(connection: Connection, done: (error?: SMTPError | null) => void): void
  /** Takes the secrets out of what the relay said. */
  hide(text: string): string
}

/** One for each relay, so that all its connections share a token; a test of the connection has it as well. */
const sources = new WeakMap<RelayConfig, TokenSource>()

const noLogIn: LogIn = { run: (_connection, done) => done(), hide: (text) => text }

/** What a new connection logs in with. An access token is had before connecting. @throws TokenError */
export async function prepareLogIn(relay: RelayConfig): Promise<LogIn> {
  const { username, password, auth } = relay
  if (auth) {
    const source = sources.get(relay) ?? createTokenSource(auth, relay.timeoutMs, systemClock)
    sources.set(relay, source)
    return new TokenLogIn(auth, source, await source.get(), relay.timeoutMs)
  }
  return username === undefined || password === undefined ? noLogIn : passwordLogIn(username, password)
}

function passwordLogIn(user: string, pass: string): LogIn {
  const secrets = [toBase64(`\0${user}\0${pass}`), toBase64(pass), pass]
  return {
    run: (connection, done) => connection.login({ user, pass }, done),
    hide: (text) => secrets.reduce((left, secret) => left.replaceAll(secret, '(password)'), text),
  }
}

class TokenLogIn implements LogIn {
  readonly #auth: OAuth2Config
  readonly #source: TokenSource
  readonly #timeoutMs: number
  #token: string
  #wasGiven = false
  /** The token of the first try, once it was refused. */
  #refused: string | undefined

  constructor(auth: OAuth2Config, source: TokenSource, token: string, timeoutMs: number) {
    this.#auth = auth
    this.#source = source
    this.#token = token
    this.#timeoutMs = timeoutMs
  }

  run(connection: Connection, done: (error?: SMTPError | null) => void): void {
    this.#try(connection, (error) => {
      // nodemailer renews by itself only where the relay sends a challenge before its 535.
      if (error?.responseCode === 535 && this.#refused === undefined) this.#try(connection, done)
      else done(error)
    })
  }

  hide(text: string): string {
    const tokens = [this.#token, this.#refused].filter((token) => token !== undefined)
    const secrets = tokens.flatMap((token) => [this.#encode(token), toBase64(token), token])
    return secrets.reduce((left, secret) => left.replaceAll(secret, '(token)'), text)
  }

  #try(connection: Connection, done: (error?: SMTPError | null) => void): void {
    const oauth2 = {
      getToken: (_renew: boolean, callback: TokenCallback) => this.#give(connection, callback),
      buildXOAuth2Token: (token: string) => this.#encode(token),
    }
    connection.login({ user: this.#auth.user, oauth2: oauth2 as unknown as XOAuth2 }, done)
  }

  /** Asked for once more, the token that was given has been refused. */
  #give(connection: Connection, callback: TokenCallback): void {
    if (!this.#wasGiven) {
      this.#wasGiven = true
      callback(null, this.#token)
      return
    }
    this.#refused = this.#token
    // The renewal has a time limit of its own.
    connection.setSocketTimeout(0)
    this.#source
      .renew(this.#refused)
      .finally(() => connection.setSocketTimeout(this.#timeoutMs))
      .then(
        (token) => {
          this.#token = token
          callback(null, token)
        },
        (error: Error) => callback(error),
      )
  }

  /** The initial response of XOAUTH2. */
  #encode(token: string): string {
    return toBase64(`user=${this.#auth.user}\x01auth=Bearer ${token}\x01\x01`)
  }
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64')
}
