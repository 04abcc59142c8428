import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'
import { eventually } from './eventually.js'
import { openSmtpSink } from './smtp-sink.js'

test('smtp-sink takes a message and shows it', async (context) => {
  await using sink = await openSmtpSink(context)
  const transport = createTransport({ host: '127.0.0.1', port: sink.port })
  await transport.sendMail({ from: 'a@example.org', to: 'b@example.org', subject: 'Hello', text: 'Body' })
  transport.close()
  const message = await eventually('the message', async () =>
    (await sink.messages()).find((text) => text.includes('Body')),
  )
  expect(message).toMatch(/^X-Rcpt-Args: <b@example.org>/m)
  expect(message).toMatch(/^Subject: Hello/m)
})
