import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { EmailObject, FluxMail } from '../../src/index.js'
import { openMailFlow } from '../helpers/mail-flow.js'

const least = { subject: 'Hi', body: 'Hello', recipients: ['ada@example.com'] }
const outlook = () => new FluxMail({ objectType: 'outlook', logLevel: 'silent' })
const refusedWith = (code: string) => expect.objectContaining({ name: 'FluxMailError', code })

test.each(['outlook', 'Outlook', 'OUTLOOK', EmailObject.OUTLOOK] as const)(
  'objectType %s means Outlook',
  (word) => {
    const mail = new FluxMail({ objectType: word })
    expect([mail.isOutlook(), mail.isSmtp()]).toEqual([true, false])
  },
)

test.each(['smtp', 'SMTP', EmailObject.SMTP, undefined] as const)('objectType %s means SMTP', (word) => {
  const mail = new FluxMail({ objectType: word, host: 'localhost' })
  expect([mail.isOutlook(), mail.isSmtp()]).toEqual([false, true])
})

test('any other objectType is refused, with what may stand there', () => {
  for (const word of ['exchange', '', 5, null, ' outlook'])
    expect(() => new FluxMail({ objectType: word as never, host: 'localhost' })).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: expect.stringContaining('smtp or outlook'),
      }),
    )
})

test('smtp needs a host, and Outlook does not', () => {
  expect(() => new FluxMail({})).toThrow(refusedWith('invalid_config'))
  expect(() => new FluxMail({ objectType: 'smtp' })).toThrow(refusedWith('invalid_config'))
  expect(outlook().isOutlook()).toBe(true)
})

test('with Outlook the options of a relay are passed over, and an option that is none is refused', () => {
  const relay = { host: { relay: '' }, port: 587, username: 'me@x.example', useTls: true, useSsl: true }
  expect(new FluxMail({ objectType: 'outlook', ...relay }).create(least).parts.sender).toBeUndefined()
  expect(() => new FluxMail({ objectType: 'outlook', prot: 587 } as never)).toThrow(
    /prot: there is no such option\. Did you mean port\?/,
  )
  expect(() => new FluxMail({ objectType: 'outlook', outlook: { powershel: 'x' } } as never)).toThrow(
    refusedWith('invalid_config'),
  )
  expect(() => new FluxMail({ objectType: 'outlook', outlook: { timeoutMs: 0 } })).toThrow(
    refusedWith('invalid_config'),
  )
})

test('FLUXMAIL_TYPE=outlook needs nothing else, and reads nothing of a relay', () => {
  expect(FluxMail.fromEnv({ FLUXMAIL_TYPE: 'Outlook' }).isOutlook()).toBe(true)
  const env = { FLUXMAIL_TYPE: 'outlook', FLUXMAIL_SENDER: 'me@x.example', FLUXMAIL_USERNAME: 'me@x.example' }
  expect(FluxMail.fromEnv(env).create(least).parts.sender).toBeUndefined()
  expect(() => FluxMail.fromEnv({ FLUXMAIL_TYPE: 'exchange' })).toThrow(/smtp or outlook/)
  expect(() => FluxMail.fromEnv({ FLUXMAIL_TYPE: 'SMTP' })).toThrow(/FLUXMAIL_HOST/)
})

test('send is outlook_no_send, and says what to use instead', async () => {
  const mail = outlook()
  for (const sending of [
    mail.send(least),
    mail.create(least).send(),
    mail.send(least, { allowPartial: true }),
  ]) {
    await expect(sending).rejects.toThrow(refusedWith('outlook_no_send'))
  }
  await expect(mail.send(least)).rejects.toThrow(/display\(\) or toDraft/)
})

test('a dry run gives the preview, since it sends nothing', async () => {
  const result = await outlook().send(least, { dryRun: true })
  expect(result).toMatchObject({ accepted: [], attempts: 0, relay: '', messageId: '' })
  expect(result.preview).toMatch(
    /^--- Headers ---\nTo: ada@example\.com\nSubject: Hi\nDate: .*\n\n--- Envelope ---\nto {3}/,
  )
})

test('queueing is outlook_no_async, and nothing of it is in the queue', async () => {
  await using flow = await openMailFlow()
  const error = flow.queue.enqueue(outlook().create(least))
  await expect(error).rejects.toThrow(refusedWith('outlook_no_async'))
  const [lane] = await flow.queue.status()
  expect(lane).toMatchObject({ accepted: 0, waiting: 0 })
})

test('a sender is outlook_no_sender, for the mailer and for an email', () => {
  expect(() => new FluxMail({ objectType: 'outlook', sender: 'me@x.example' })).toThrow(
    refusedWith('outlook_no_sender'),
  )
  expect(() => outlook().create({ ...least, sender: 'me@x.example' })).toThrow(
    refusedWith('outlook_no_sender'),
  )
})

test('testConnection is outlook_no_connect', async () => {
  await expect(outlook().testConnection()).rejects.toThrow(refusedWith('outlook_no_connect'))
})

test('inlineImages are invalid_params, and none at all are fine', () => {
  const html = { ...least, body: '<img src="cid:a">', htmlBody: true }
  expect(() => outlook().create({ ...html, inlineImages: { a: Buffer.from('x') } })).toThrow(
    expect.objectContaining({ code: 'invalid_params', details: { field: 'inlineImages' } }),
  )
  expect(outlook().create({ ...html, inlineImages: {} }).parts.inlineImages).toEqual([])
})

test('toMime gives the bytes of the draft', async () => {
  const draft = await simpleParser(
    outlook()
      .create({ ...least, bcc: ['eve@example.com'] })
      .toMime(),
  )
  expect(draft.headers.get('x-unsent')).toBe('1')
  expect(draft.from).toBeUndefined()
})

test('close and await using work as with SMTP', async () => {
  const mail = outlook()
  await mail.close()
  await expect(mail.send(least, { dryRun: true })).rejects.toThrow(refusedWith('closed'))
  await using other = outlook()
  expect(other.isOutlook()).toBe(true)
})
