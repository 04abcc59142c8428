// Relays of every kind of trouble, and what workers are told of them.

import { freePort } from '../../../src/cli/free-port.js'
import { openSink, type Sink } from '../../../src/sink/sink.js'
import { password } from '../../ingress/ingress-flow.js'
import { cert, key } from '../../sink/certificate.js'

export interface Sinks extends AsyncDisposable {
  readonly main: Sink
  readonly secure: Sink
  /** Takes three messages a second. */
  readonly touchy: Sink
}

const login = { username: 'shop', password }
/** Slower than in other tests, or what is refused would be tried again all the time. */
const retry = { delaysMs: [1_000], jitter: 0, maxAgeMs: 600_000 }
const lanes = { transactional: { retry, unknown: 'resend' }, bulk: { retry, unknown: 'hold' } }

export async function openSinks(): Promise<Sinks> {
  const main = await openSink({ httpPort: false, latencyMs: 20, maxMessagesPerConnection: 40 })
  const secure = await openSink({ httpPort: false, tls: { key, cert }, auth: login })
  const touchy = await openSink({ httpPort: false, slower: { above: 3 } })
  return {
    main,
    secure,
    touchy,
    async [Symbol.asyncDispose]() {
      await Promise.all([main.close(), secure.close(), touchy.close()])
    },
  }
}

/** One is limited, one asks for less, one is not there, one refuses the login; each has a route of its name. */
export async function configurationOf({ main, secure, touchy }: Sinks): Promise<object> {
  const here = { host: '127.0.0.1', finalReplyTimeoutMs: 2_000, maxConnections: 8 }
  const safe = { ...here, port: secure.smtpPort, useTls: true, tls: { ca: cert, servername: 'localhost' } }
  const relays = {
    main: { ...here, port: main.smtpPort, idleMs: 500, providers: { google: { ratePerSecond: 4 } } },
    slow: { ...here, port: main.smtpPort, ratePerSecond: 5, perDay: 5_000 },
    touchy: { ...here, port: touchy.smtpPort, ratePerSecond: 8 },
    secure: { ...safe, ...login, warmup: { from: 2_000, to: 10_000, days: 7 } },
    away: { ...here, port: await freePort() },
    locked: { ...safe, username: login.username, password: 'wrong' },
  }
  const routes = Object.fromEntries(Object.keys(relays).map((relay) => [relay, [relay]]))
  return { relays, routes: { ...routes, default: ['main'] }, lanes, lockMs: 1_000 }
}
