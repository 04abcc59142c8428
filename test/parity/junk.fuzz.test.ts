import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { createRawMessage, DeliveryWorker, EmailTemplate, FluxMail, MailQueue } from '../../src/index.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { junk, onlyFluxMailErrors, spoilt, withGetter } from './junk.js'

const mail = new FluxMail({ host: '127.0.0.1', port: 1, sender: 'news@example.com', logLevel: 'silent' })
afterAll(() => mail.close())

const email = { subject: 'Hi', recipients: ['ada@example.com'], body: '<p>Hi</p>', htmlBody: true }
const emailFields = [
  'subject',
  'recipients',
  'body',
  'sender',
  'replyTo',
  'cc',
  'bcc',
  'htmlBody',
  'plainBody',
  'attachments',
  'inlineImages',
  'inReplyTo',
  'references',
  'priority',
  'unsubscribeUrl',
  'inlineCss',
  'headers',
  'messageId',
  'date',
]

const runs = { numRuns: 3000 }

test('create() with junk for its fields gives an email or a FluxMailError', async () => {
  const property = fc.asyncProperty(spoilt(email, emailFields), junk, async ([name, make], whole) => {
    await onlyFluxMailErrors(`create with ${name}`, () => mail.create(make() as never).toMime())
    await onlyFluxMailErrors('create of anything', () => mail.create(whole() as never))
    await onlyFluxMailErrors('send of anything', () => mail.send(whole() as never, { dryRun: true }))
  })
  await fc.assert(property, runs)
  for (const name of emailFields) {
    const error = await onlyFluxMailErrors(name, () => mail.create(withGetter(email, name) as never))
    expect(error?.code).toBe('invalid_params')
  }
})

test('junk inside the values of fields gives an email or a FluxMailError', async () => {
  const property = fc.asyncProperty(junk, fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7), async (make, place) => {
    const inside = [
      () => ({ recipients: [make()] }),
      () => ({ recipients: [{ address: 'ada@example.com', name: make() }] }),
      () => ({ cc: [{ address: make() }] }),
      () => ({ attachments: [{ filename: make(), content: 'x' }] }),
      () => ({ attachments: [{ filename: 'a', content: make() }, { path: make() }] }),
      () => ({ inlineImages: { logo: make() } }),
      () => ({ headers: { 'X-A': make() } }),
      () => ({ headers: [{ name: make(), value: make() }], references: [make()] }),
    ]
    await onlyFluxMailErrors(`place ${place}`, () => mail.create({ ...email, ...inside[place]?.() } as never))
  })
  await fc.assert(property, runs)
})

test('send() with junk for its options gives a result or a FluxMailError', async () => {
  const standing = mail.create(email)
  const property = fc.asyncProperty(
    spoilt({}, ['dryRun', 'signal', 'allowPartial']),
    junk,
    async ([name, make], whole) => {
      await onlyFluxMailErrors(`send with ${name}`, () =>
        standing.send({ ...(make() as object), dryRun: true }),
      )
      await onlyFluxMailErrors(`send with ${name}`, () => standing.send(make() as never))
      await onlyFluxMailErrors('send with anything', () => standing.send(whole() as never))
    },
  )
  await fc.assert(property, { numRuns: 500 })
})

test('new FluxMail() with junk gives a mailer or a FluxMailError', async () => {
  const plain = { host: '127.0.0.1', port: 25, sender: 'news@example.com' }
  const names = [
    'objectType',
    'host',
    'port',
    'domain',
    'username',
    'password',
    'useTls',
    'useSsl',
    'tls',
    'allowPlaintextAuth',
    'timeoutMs',
    'finalReplyTimeoutMs',
    'maxConnections',
    'maxRetries',
    'retryDelayMs',
    'sender',
    'logger',
    'logLevel',
    'clock',
    'maxAttachmentBytes',
    'dkim',
    'auth',
  ]
  const open = async (options: unknown) => {
    await using made = new FluxMail(options as never)
    made.create(email).toMime()
  }
  const property = fc.asyncProperty(spoilt(plain, names), junk, async ([name, make], whole) => {
    await onlyFluxMailErrors(`new FluxMail with ${name}`, () => open(make()))
    await onlyFluxMailErrors('new FluxMail of anything', () => open(whole()))
  })
  await fc.assert(property, runs)
  for (const name of names) await onlyFluxMailErrors(name, () => open(withGetter(plain, name)))
})

test('FluxMail.fromEnv() with junk gives a mailer or a FluxMailError', async () => {
  const plain = { FLUXMAIL_HOST: 'smtp.example.com' }
  const names = [
    'TYPE',
    'HOST',
    'PORT',
    'USERNAME',
    'PASSWORD',
    'TLS',
    'SSL',
    'TIMEOUT',
    'MAX_RETRIES',
    'RETRY_DELAY',
    'SENDER',
  ]
  const open = async (env: unknown) => {
    await using made = FluxMail.fromEnv(env as never)
    expect(made.isSmtp()).toBeTypeOf('boolean')
  }
  const spoiltEnv = spoilt(
    plain,
    names.map((name) => `FLUXMAIL_${name}`),
  )
  const property = fc.asyncProperty(spoiltEnv, junk, async ([name, make], whole) => {
    await onlyFluxMailErrors(`fromEnv with ${name}`, () => open(make()))
    await onlyFluxMailErrors('fromEnv of anything', () => open(whole() ?? {}))
  })
  await fc.assert(property, runs)
})

test('EmailTemplate with junk for source, options and variables gives text or a FluxMailError', async () => {
  const source =
    '{{ a }}{{ a.b }}{{ a["c"] }}{% for x in a %}{{ x }}{% endfor %}{{ a | length }}{{ a | dump }}{{ a() }}{% if a > 1 %}x{% endif %}'
  const property = fc.asyncProperty(
    junk,
    junk,
    fc.constantFrom('autoescape', 'strict', 'name'),
    async (make, other, option) => {
      await onlyFluxMailErrors('source', () => new EmailTemplate(make() as never))
      await onlyFluxMailErrors('options', () => new EmailTemplate('x', make() as never))
      await onlyFluxMailErrors(option, () => new EmailTemplate('{{ ', { [option]: make() } as never))
      await onlyFluxMailErrors('context', () => new EmailTemplate('{{ a }}').render(make() as never))
      await onlyFluxMailErrors('fromFile', () => EmailTemplate.fromFile(make() as never, other() as never))
      for (const part of source.split(/(?<=\}\})(?=\{)/)) {
        await onlyFluxMailErrors(part, () => new EmailTemplate(part).render({ a: make(), b: other() }))
      }
    },
  )
  await fc.assert(property, { numRuns: 2000 })
}, 60_000)

test('new MailQueue() and new DeliveryWorker() with junk are refused by a FluxMailError or can be closed', async () => {
  const names = [
    'redis',
    'name',
    'lanes',
    'maxAttachmentBytes',
    'clock',
    'relays',
    'routes',
    'concurrency',
    'maxPerWorkerPerSecond',
    'lockMs',
    'logAddresses',
    'logger',
    'logLevel',
  ]
  const relays = { main: { host: '127.0.0.1' } }
  const openQueue = async (options: unknown) => {
    await using queue = new MailQueue(options as never)
    expect(queue.enqueue).toBeTypeOf('function')
  }
  const openWorker = async (options: unknown) => {
    await using worker = new DeliveryWorker(options as never)
    expect(worker.isReady).toBe(false)
  }
  const property = fc.asyncProperty(
    spoilt({}, names),
    spoilt({ relays }, names),
    junk,
    async ([name, queueOptions], [part, workerOptions], whole) => {
      await onlyFluxMailErrors(`new MailQueue with ${name}`, () => openQueue(queueOptions()))
      await onlyFluxMailErrors(`new DeliveryWorker with ${part}`, () => openWorker(workerOptions()))
      await onlyFluxMailErrors('new MailQueue of anything', () => openQueue(whole()))
      await onlyFluxMailErrors('new DeliveryWorker of anything', () => openWorker(whole()))
    },
  )
  await fc.assert(property, { numRuns: 500 })
}, 60_000)

test('enqueue() and enqueueBatch() with junk give a receipt or a FluxMailError', async () => {
  await using flow = await openMailFlow()
  const standing = flow.mail.create(email)
  const content = { subject: 'Hi', text: 'Hello {{ a }}', sender: 'news@example.com' }
  const contentNames = [
    'subject',
    'html',
    'text',
    'sender',
    'replyTo',
    'headers',
    'attachments',
    'inlineImages',
    'inlineCss',
    'unsubscribeUrl',
  ]
  const rows = [{ to: 'ada@example.com' }]
  const property = fc.asyncProperty(
    junk,
    junk,
    spoilt({}, ['lane', 'route', 'idempotencyKey', 'sendAt', 'expiresAt', 'batchId', 'onReject']),
    spoilt(content, contentNames),
    async (make, row, [option, options], [part, spoiltContent]) => {
      const { queue } = flow
      await onlyFluxMailErrors('enqueue of anything', () => queue.enqueue(make() as never))
      await onlyFluxMailErrors(`enqueue with ${option}`, () => queue.enqueue(standing, options() as never))
      await onlyFluxMailErrors('enqueue with any options', () => queue.enqueue(standing, make() as never))
      await onlyFluxMailErrors('rows', () => queue.enqueueBatch(make() as never, content))
      await onlyFluxMailErrors('row', () =>
        queue.enqueueBatch([row(), { to: row(), a: make() }] as never, content),
      )
      await onlyFluxMailErrors(`content with ${part}`, () =>
        queue.enqueueBatch(rows, spoiltContent() as never),
      )
      await onlyFluxMailErrors('any content', () => queue.enqueueBatch(rows, make() as never))
      await onlyFluxMailErrors(`batch with ${option}`, () =>
        queue.enqueueBatch(rows, content, options() as never),
      )
      await onlyFluxMailErrors('batch with any options', () =>
        queue.enqueueBatch(rows, content, make() as never),
      )
      await onlyFluxMailErrors('batch', () => queue.batch(make() as never).status())
      await onlyFluxMailErrors('delivery', () => queue.delivery(make() as never))
      await onlyFluxMailErrors('cancel', () => queue.cancel(make() as never))
    },
  )
  await fc.assert(property, { numRuns: 300 })
}, 60_000)

test('createRawMessage() with junk gives a message or a FluxMailError', async () => {
  const plain = {
    from: 'a@example.com',
    to: ['ada@example.com'],
    bytes: Buffer.from('Subject: x\r\n\r\nHi\r\n'),
  }
  const property = fc.asyncProperty(
    spoilt(plain, ['from', 'to', 'bytes', 'trace']),
    junk,
    async ([name, make], whole) => {
      await onlyFluxMailErrors(`createRawMessage with ${name}`, () => createRawMessage(make() as never))
      await onlyFluxMailErrors('createRawMessage of anything', () => createRawMessage(whole() as never))
    },
  )
  await fc.assert(property, runs)
})
