// A token endpoint over real HTTP, and a relay that takes its tokens.

import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { openScriptedRelay, type ScriptedRelay, type Session } from './scripted-relay.js'

export interface TokenAsk {
  readonly fields: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** From 1. */
  readonly number: number
}

export interface TokenEndpoint extends AsyncDisposable {
  readonly url: string
  readonly asks: readonly TokenAsk[]
}

/** What `answer` returns is sent as JSON, with status 400 for an error; undefined means that it answers by itself. */
export async function openTokenEndpoint(
  answer: (ask: TokenAsk, response: ServerResponse) => object | undefined = ({ number }) => ({
    access_token: `token-${number}`,
    expires_in: 3600,
  }),
): Promise<TokenEndpoint> {
  const asks: TokenAsk[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const ask = { fields: new URLSearchParams(text), headers: request.headers, number: asks.length + 1 }
    asks.push(ask)
    const told = answer(ask, response)
    if (told) response.writeHead('error' in told ? 400 : 200).end(JSON.stringify(told))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/token`,
    asks,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export interface TokenRelay extends AsyncDisposable {
  readonly relay: ScriptedRelay
  readonly port: number
  /** What was given to log in, each as `user token`. */
  readonly logins: readonly string[]
}

export interface TokenRelayOptions {
  takes(token: string): boolean
  /** Says 334 before its 535, as Gmail does. */
  readonly challenges?: boolean
  /** The text of the refusal. */
  refusal?(initialResponse: string): string
}

export async function openTokenRelay({
  takes,
  challenges = true,
  refusal = () => '5.7.8 not accepted',
}: TokenRelayOptions): Promise<TokenRelay> {
  const logins: string[] = []
  const challenged = new Map<Session, string>()
  const relay = await openScriptedRelay({
    capabilities: ['AUTH XOAUTH2', 'PIPELINING'],
    answer(command, session) {
      if (command === '') return `535 ${refusal(challenged.get(session) ?? '')}`
      const initial = /^AUTH XOAUTH2 (.*)$/.exec(command)?.[1]
      if (initial === undefined) return undefined
      const [user = '', bearer = ''] = Buffer.from(initial, 'base64').toString().split('\x01')
      const token = bearer.replace('auth=Bearer ', '')
      logins.push(`${user.replace('user=', '')} ${token}`)
      if (takes(token)) return '235 2.7.0 welcome'
      challenged.set(session, initial)
      return challenges ? '334 eyJzdGF0dXMiOiI0MDAifQ==' : `535 ${refusal(initial)}`
    },
  })
  return { relay, port: relay.port, logins, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() }
}
