import { expect, test } from 'vitest'
import type { RelayOptions } from '../../src/config.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { openSmtpSink, type SmtpSink } from '../helpers/smtp-sink.js'

const content = { subject: 'Hello {{ name }}', html: '<p>Dear {{ name }}</p>', sender: 'news@example.com' }
const relayTo = (sink: SmtpSink, options: Partial<RelayOptions> = {}) => ({
  relays: { postfix: { host: '127.0.0.1', port: sink.port, ...options } },
})

const ways: readonly (readonly [string, Partial<RelayOptions>])[] = [
  ['one after the other', {}],
  [
    'with each envelope ahead of the answer before it',
    { pipelineMessages: true, maxConnectionsPerWorker: 2 },
  ],
]

for (const [how, options] of ways) {
  test(`a batch reaches Postfix's smtp-sink ${how}, each recipient in one message of its own`, async (context) => {
    await using sink = await openSmtpSink(context)
    await using flow = await openMailFlow()
    await flow.work(relayTo(sink, options))
    const batch = await flow.queue.enqueueBatch(rowsTo(200), content)
    expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 200, pending: 0 })
    const messages = await sink.messages()
    const recipients = messages.map((message) =>
      [...message.matchAll(/^X-Rcpt-Args: <(.*)>/gm)].map((match) => match[1]),
    )
    expect(recipients.every((recipient) => recipient.length === 1)).toBe(true)
    expect(new Set(recipients.flat()).size).toBe(200)
    for (const message of messages) {
      const index = /^X-Rcpt-Args: <r(\d+)@/m.exec(message)?.[1]
      expect(message).toContain(`Subject: Hello Name ${index}`)
    }
  })
}

const troubles = [
  ['refuses every recipient for now', '-r'],
  ['hangs up in answer to every recipient', '-q'],
] as const

for (const [what, flag] of troubles) {
  test(`a relay that ${what} loses nothing and leaves no doubt`, async (context) => {
    await using sink = await openSmtpSink(context, [flag, 'RCPT'])
    await using flow = await openMailFlow()
    const worker = await flow.work(relayTo(sink))
    const batch = await flow.queue.enqueueBatch(rowsTo(5), content)
    await eventually('each was deferred twice', async () => {
      const deferred = /fluxmail_attempts_total\{outcome="deferred",.*lane="bulk".*\} (\d+)/.exec(
        await worker.metrics.expose(),
      )
      return Number(deferred?.[1]) >= 10
    })
    expect(await batch.status()).toMatchObject({ sent: 0, failed: 0, unknown: 0, pending: 5 })
    expect(await sink.messages()).toHaveLength(0)
  })
}
