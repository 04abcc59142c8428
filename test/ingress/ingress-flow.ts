// A mail flow with an ingress before it. Hashes are made once: each costs a tenth of a second.

import {
  type Ingress,
  type IngressOptions,
  type IngressUser,
  openIngress,
} from '../../src/ingress/ingress.js'
import type { SinkOptions } from '../../src/sink/sink.js'
import type { Logger } from '../../src/telemetry/log.js'
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'
import { cert, key } from '../sink/certificate.js'

export const tls = { key, cert }

/** Of the password `correct horse`, at the least cost that is taken. */
export const user: IngressUser = {
  username: 'shop',
  passwordHash: '$scrypt$ln=12,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$upE7pamnXlJ1rNMucI8rm5MKiWajcHEe5WukI5EBtho',
}
export const password = 'correct horse'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

export interface IngressFlow extends AsyncDisposable {
  readonly flow: MailFlow
  readonly ingress: Ingress
  readonly port: number
  readonly metrics: Metrics
  readonly lines: LogLine[]
  /** How many messages came to this. */
  counted(result: string): Promise<number>
}

export async function openIngressFlow(
  options: Partial<IngressOptions> = {},
  sink: SinkOptions = {},
): Promise<IngressFlow> {
  const flow = await openMailFlow(sink)
  const metrics = createMetrics()
  const lines: LogLine[] = []
  const ingress = await openIngress({
    queue: flow.queue,
    port: 0,
    domain: 'mail.example.com',
    metrics,
    logger: loggerTo(lines),
    ...options,
  })
  return {
    flow,
    ingress,
    port: ingress.port ?? 0,
    metrics,
    lines,
    counted: (result) => counter(metrics, `fluxmail_ingress_messages_total{result="${result}"}`),
    async [Symbol.asyncDispose]() {
      await ingress.close({ deadlineMs: 0 })
      await flow[Symbol.asyncDispose]()
    },
  }
}

/** The value of one series, 0 when it is not there. */
export async function counter(metrics: Metrics, series: string): Promise<number> {
  const line = (await metrics.expose()).split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.split(' ').at(-1) ?? 0)
}

function loggerTo(lines: LogLine[]): Logger {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
