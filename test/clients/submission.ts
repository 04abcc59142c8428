// The whole way for a client of another project: submission over TLS with users, Redis, a worker, and a sink.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ParsedMail, simpleParser } from 'mailparser'
import { systemClock } from '../../src/clock.js'
import type { DeliveryWorkerOptions } from '../../src/index.js'
import { hashPassword, openIngress } from '../../src/ingress/ingress.js'
import type { RecordedMessage } from '../../src/sink/sink.js'
import { createLogger } from '../../src/telemetry/log.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'
import { cert, key } from '../sink/certificate.js'

export const host = '127.0.0.1'
export const username = 'app@example.com'
/** With what shells, configuration files and base64 may trip over. */
export const password = 'correct horse "battery" \\ staple=='
/** Refused logins are what these tests are about, and no news. */
export const quiet = createLogger('error')
export const maxMessageBytes = 2 * 1024 * 1024

export interface Submission extends AsyncDisposable {
  readonly flow: MailFlow
  /** Where STARTTLS is offered. */
  readonly port: number
  /** Where TLS comes first. */
  readonly securePort: number
  /** The certificate, for clients that are to trust it. */
  readonly caFile: string
  /** A folder for the files of one client. */
  readonly folder: string
  /** Deliveries acknowledged so far. */
  accepted(): Promise<number>
  /** Waits until all that was acknowledged is settled; resolves with what arrived: exactly `count` messages. */
  arrived(count: number): Promise<readonly RecordedMessage[]>
}

export async function openSubmission(worker: Partial<DeliveryWorkerOptions> = {}): Promise<Submission> {
  const flow = await openMailFlow()
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-client-'))
  const caFile = join(folder, 'ca.pem')
  await writeFile(caFile, `${cert}\n`)
  const users = [{ username, passwordHash: await hashPassword(password) }]
  const ingress = await openIngress({
    queue: flow.queue,
    port: 0,
    securePort: 0,
    tls: { key, cert },
    users,
    maxMessageBytes,
    logger: quiet,
    // A wrong password is answered at once, not after its pause.
    clock: { ...systemClock, sleep: async () => undefined },
  })
  await flow.work(worker)
  const { accepted, arrived } = outcomesOf(flow)
  return {
    flow,
    port: ingress.port ?? 0,
    securePort: ingress.securePort ?? 0,
    caFile,
    folder,
    accepted,
    arrived,
    async [Symbol.asyncDispose]() {
      await ingress.close({ deadlineMs: 1_000 })
      await flow[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What came of all that a queue has acknowledged. */
function outcomesOf(flow: MailFlow): Pick<Submission, 'accepted' | 'arrived'> {
  const total = async (field: 'accepted' | 'pending' | 'failed') =>
    (await flow.queue.status()).reduce((sum, lane) => sum + lane[field], 0)
  return {
    accepted: () => total('accepted'),
    async arrived(count) {
      await eventually('every delivery is settled', async () => (await total('pending')) === 0)
      const messages = [...flow.sink.messages]
      if (messages.length !== count)
        throw new Error(`${messages.length} messages arrived instead of ${count}`)
      return messages
    },
  }
}

/** A message without the Received header that submission puts first (RFC 6409, 8). */
export function withoutTrace(message: RecordedMessage | undefined): Buffer {
  const { bytes } = present(message)
  const trace = /^Received: from [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/.exec(bytes.toString('latin1'))
  if (trace === null) throw new Error(`no Received header stands first: ${bytes.subarray(0, 300)}`)
  return bytes.subarray(trace[0].length)
}

export function recipientsOf(messages: readonly RecordedMessage[]): string[] {
  return messages.flatMap(({ to }) => to).sort()
}

export async function parsed(message: RecordedMessage | undefined): Promise<ParsedMail> {
  return simpleParser(present(message).bytes)
}

function present(message: RecordedMessage | undefined): RecordedMessage {
  if (message === undefined) throw new Error('there is no such message')
  return message
}
