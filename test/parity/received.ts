// One email through the public door and over a real wire, read back by a parser that shares no code with ours.

import { type ParsedMail, simpleParser } from 'mailparser'
import { afterAll, beforeAll } from 'vitest'
import { type EmailFields, FluxMail, type FluxMailOptions, type SendResult } from '../../src/index.js'
import { openSink, type RecordedMessage, type Sink } from '../../src/sink/sink.js'

export interface Received {
  readonly mail: ParsedMail
  readonly source: string
  readonly message: RecordedMessage
  readonly result: SendResult
}

export interface Post {
  readonly sink: Sink
  /** A mailer over the sink; closed with the test file. */
  mailer(options?: Partial<FluxMailOptions>): FluxMail
  /** Sends a small email with these fields in it, and gives what arrived. */
  send(fields?: Partial<EmailFields>, mail?: FluxMail): Promise<Received>
}

export const letter: EmailFields = { subject: 'Hi', recipients: ['ada@example.com'], body: 'Hello' }

/** Opens a sink before the tests of a file and closes it after them. */
export function openPost(): Post {
  const mailers: FluxMail[] = []
  let sink: Sink | undefined
  const opened = () => {
    if (sink === undefined) throw new Error('the sink is open inside tests only')
    return sink
  }
  beforeAll(async () => {
    sink = await openSink({ httpPort: false })
  })
  afterAll(async () => {
    await Promise.all(mailers.map((mail) => mail.close()))
    await sink?.close()
  })
  const mailer = (options: Partial<FluxMailOptions> = {}) => {
    const port = opened().smtpPort
    const own = { host: '127.0.0.1', port, sender: 'news@example.com', logLevel: 'silent' } as const
    const mail = new FluxMail({ ...own, ...options })
    mailers.push(mail)
    return mail
  }
  return {
    get sink() {
      return opened()
    },
    mailer,
    async send(fields = {}, mail = mailer()) {
      const result = await mail.send({ ...letter, ...fields })
      const message = opened().messages.at(-1)
      if (message === undefined) throw new Error('nothing arrived')
      return { mail: await simpleParser(message.bytes), source: message.bytes.toString(), message, result }
    },
  }
}

/** The lines of one header as they stand in the source, folded. */
export function rawHeader(source: string, name: string): string | undefined {
  const headers = `\r\n${source.slice(0, source.indexOf('\r\n\r\n'))}`
  return new RegExp(`\\r\\n${name}: ?((?:.|\\r\\n[ \\t])*)`, 'i').exec(headers)?.[1]
}
