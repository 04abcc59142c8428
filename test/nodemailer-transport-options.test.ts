// A table over every option of sendMail: each arrives as it would have over SMTP, or is refused with what to use.

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import type { SendMailOptions } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { base, type Mail, openTwoDoors, type TwoDoors } from './transport/two-doors.js'

const thisFile = import.meta.filename
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const event = 'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n'
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const dkim = { domainName: 'example.com', keySelector: 's1', privateKey }
const rawLines = ['From: a@example.com', 'Message-ID: <r@x.io>', 'Date: now', 'Subject: r', '', '.x', 'y']

let doors: TwoDoors
let page = ''
const site = createServer((request, response) => response.end(`page of ${request.headers['x-who']}`))

beforeAll(async () => {
  doors = await openTwoDoors()
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  const address = site.address()
  page = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/page.txt`
})
afterAll(async () => {
  site.closeAllConnections()
  site.close()
  await doors[Symbol.asyncDispose]()
})

const streamOf = (...chunks: (string | Buffer)[]) => Readable.from(chunks, { objectMode: false })

interface Row {
  /** Mails that arrive as over SMTP. */
  readonly arrives?: readonly (() => Partial<Mail>)[]
  /** Mails that are refused, with what the message says. */
  readonly refused?: readonly (readonly [mail: Partial<Mail>, says: RegExp])[]
}

const table: Readonly<Record<keyof SendMailOptions, Row>> = {
  from: {
    arrives: [
      () => ({ from: 'app@example.com' }),
      () => ({ from: { name: 'Ünï "q" Cödé', address: 'app@exämple.com' } }),
      () => ({ from: ['one@example.com', 'two@example.com'], sender: 'one@example.com' }),
    ],
    refused: [[{ from: '' }, /^from: it is missing\. Give from/]],
  },
  sender: {
    arrives: [() => ({ sender: 'sec@example.com' })],
    refused: [[{ from: '', sender: 'sec@example.com' }, /no From/]],
  },
  to: {
    arrives: [
      () => ({ to: 'a@example.com, "B, Bee" <b@example.com>; c@example.com,' }),
      () => ({ to: [['a@example.com'], { name: '', address: 'B@Example.COM' }, ''] }),
      () => ({ to: 'A team: a@example.com, Bee <b@example.com>;, c@example.com' }),
      () => ({ to: 'Jõe <jõe@example.com>', from: 'größe@example.com' }),
      () => ({ to: 'undisclosed-recipients:;', bcc: 'b@example.com' }),
      () => ({ to: '"ada@example.com" <ada@example.com>' }),
    ],
    refused: [[{ to: '' }, /^to: nobody is addressed\. Give an address in to, cc or bcc/]],
  },
  cc: { arrives: [() => ({ cc: ['c@example.com', 'D <d@example.com>'] })] },
  bcc: {
    arrives: [() => ({ bcc: 'hidden@example.com' }), () => ({ to: undefined, bcc: ['b@example.com'] })],
  },
  replyTo: { arrives: [() => ({ replyTo: ['r@example.com', 'Antwort ä <s@example.com>'] })] },
  inReplyTo: { arrives: [() => ({ inReplyTo: '<before@example.com>' })] },
  references: { arrives: [() => ({ references: ['<one@example.com>', 'two@example.com'] })] },
  subject: { arrives: [() => ({ subject: 'Grüße 🎉\r\nBcc: evil@example.com' }), () => ({ subject: '' })] },
  messageId: { arrives: [() => ({ messageId: 'mine@example.com' })] },
  date: { arrives: [() => ({ date: new Date(0) }), () => ({ date: 'Thu, 1 Jan 1970 00:00:00 +0000' })] },
  text: {
    arrives: [
      () => ({ text: '.dot\n..dots\nFrom here\r\rbare' }),
      () => ({ text: Buffer.from('büffer') }),
      () => ({ text: streamOf('strëam', 'ed') }),
      () => ({ text: { path: thisFile } }),
      () => ({ text: { href: page, httpHeaders: { 'x-who': 'text' } } }),
    ],
  },
  html: {
    arrives: [() => ({ html: `<p>${'wörter '.repeat(300)}</p>` }), () => ({ html: { path: thisFile } })],
  },
  watchHtml: { arrives: [() => ({ html: '<p>h</p>', watchHtml: '<b>w</b>' })] },
  amp: { arrives: [() => ({ html: '<p>h</p>', amp: '<!doctype html><html amp4email></html>' })] },
  icalEvent: {
    arrives: [
      () => ({ icalEvent: event }),
      () => ({ icalEvent: { method: 'REQUEST', filename: 'a.ics', content: streamOf(event) } }),
    ],
  },
  attachments: {
    arrives: [
      () => ({ attachments: [{ filename: 'ä ö.bin', content: Buffer.from([0, 10, 13, 255]) }] }),
      () => ({ attachments: [{ path: thisFile }, { filename: 's.txt', content: streamOf('a', 'b') }] }),
      () => ({ attachments: [{ href: page, httpHeaders: { 'x-who': 'file' }, contentType: 'text/plain' }] }),
      () => ({
        attachments: [{ path: `data:image/png;base64,${pixel}`, cid: 'dot' }],
        html: '<img src="cid:dot">',
      }),
      () => ({ attachments: [{ raw: 'Content-Type: text/x-own\r\n\r\nown\n' }] }),
      () => ({
        attachments: [{ filename: 'x', content: 'aGk=', encoding: 'base64', headers: { 'X-A': 'b' } }],
      }),
      () => ({ attachments: [{ contentType: 'message/rfc822', content: 'Subject: in\r\n\r\nnér' }] }),
      () => ({ attachments: [{ filename: 'a.txt', content: 'é', contentTransferEncoding: '8bit' }] }),
    ],
  },
  alternatives: {
    arrives: [() => ({ alternatives: [{ contentType: 'text/x-web-markdown', content: '**x**' }] })],
  },
  headers: {
    arrives: [
      () => ({ headers: { 'X-One': ['a', 'b'], 'x-prepared': { prepared: true, value: 'as=it is' } } }),
      () => ({ headers: [{ key: 'X-Two', value: 'schön '.repeat(40) }] }),
      () => ({ to: undefined, headers: { to: 'Ada <h@example.com>' } }),
    ],
  },
  list: {
    arrives: [
      () => ({ list: { unsubscribe: { url: 'https://example.com/u', comment: 'Bye' }, id: 'l.x.io' } }),
    ],
  },
  otp: { arrives: [() => ({ otp: { code: '123-456', origin: 'https://example.com' } })] },
  envelope: {
    arrives: [
      () => ({ envelope: { from: 'Bounces <bounce@example.com>', to: 'x@example.com, Y <y@example.com>' } }),
      () => ({ envelope: { from: '', to: ['x@example.com'], size: 1000, use8BitMime: true } }),
      () => ({ envelope: { from: false, to: 'x@example.com', cc: 'y@example.com', bcc: 'z@example.com' } }),
    ],
    refused: [
      [{ envelope: { to: 'x@example.com' } }, /^envelope\.from: it holds not one address\. .*null sender/],
      [{ envelope: { from: 'nobody', to: 'x@example.com' } }, /^envelope\.from: /],
      [{ envelope: { from: 'a@example.com' } }, /^to: nobody is addressed/],
      [
        { envelope: { from: 'a@x.io', to: 'b@x.io', dsn: { notify: 'success' } } },
        /^envelope\.dsn: .*delivery\(id\)/,
      ],
      [{ envelope: { from: 'a@x.io', to: 'b@x.io', requireTLSExtensionEnabled: true } }, /useTls or useSsl/],
      [
        { envelope: { from: 'a@x.io', to: 'b@x.io', holdFor: 60 } },
        /^envelope\.holdFor: .*known are from, to/,
      ],
    ],
  },
  encoding: { arrives: [() => ({ encoding: 'base64', html: '<p>é</p>' })] },
  textEncoding: { arrives: [() => ({ textEncoding: 'B', subject: 'Grüße', text: 'schön' })] },
  raw: {
    arrives: [
      () => ({ raw: rawLines.join('\n') }),
      () => ({ raw: Buffer.from(rawLines.join('\r')) }),
      () => ({ raw: streamOf(`${rawLines.join('\r\n')}\r`, '\nbody ünd\r', 'more\n', '\n.\r', '\n') }),
      () => ({ raw: { path: join(import.meta.dirname, 'transport', 'raw.eml') } }),
      () => ({ raw: rawLines.join('\n'), envelope: { from: 'app@example.com', to: 'r@example.com' } }),
    ],
  },
  disableUrlAccess: {
    arrives: [() => ({ disableUrlAccess: true, text: { path: thisFile } })],
    refused: [[{ disableUrlAccess: true, text: { href: 'http://127.0.0.1/' } }, /Url access rejected/]],
  },
  disableFileAccess: {
    arrives: [() => ({ disableFileAccess: true, text: 'x' })],
    refused: [
      [{ disableFileAccess: true, attachments: [{ path: thisFile }] }, /File access rejected/],
      [{ disableFileAccess: true, raw: { path: thisFile } }, /File access rejected/],
    ],
  },
  attachDataUrls: {
    arrives: [() => ({ attachDataUrls: true, html: `<img src="data:image/png;base64,${pixel}">` })],
  },
  boundaryPrefix: { arrives: [() => ({ boundaryPrefix: 'mine', html: '<p>x</p>' })] },
  baseBoundary: { arrives: [() => ({ baseBoundary: 'other', html: '<p>x</p>' })] },
  newline: {
    arrives: [() => ({ newline: 'linux', text: 'a\r\nb' }), () => ({ newline: 'win', text: 'a\nb', dkim })],
  },
  normalizeHeaderKey: { arrives: [() => ({ normalizeHeaderKey: (key: string) => key.toUpperCase() })] },
  priority: { arrives: [() => ({ priority: 'high' }), () => ({ priority: 'low' })] },
  xMailer: { arrives: [() => ({ xMailer: 'Own 1.0' }), () => ({ xMailer: false })] },
  signal: { arrives: [() => ({ signal: new AbortController().signal })] },
  dkim: {
    arrives: [
      () => ({ dkim, bcc: 'b@example.com', list: { unsubscribe: 'https://example.com/u' } }),
      () => ({ dkim: { keys: [dkim], hashAlgo: 'sha256' }, html: '<p>é</p>' }),
    ],
  },
  _dkim: { arrives: [() => ({ dkim, _dkim: { skipFields: 'date' } })] },
  maxRecipients: { arrives: [() => ({ maxRecipients: 1 })] },
  dsn: { refused: [[{ dsn: { notify: 'failure' } }, /^dsn: .*queue\.delivery\(id\)/]] },
  requireTLSExtensionEnabled: {
    refused: [[{ requireTLSExtensionEnabled: true }, /^requireTLSExtensionEnabled: .*useTls or useSsl/]],
  },
  auth: {
    refused: [
      [
        { auth: { user: 'u', pass: 'p' } },
        /^auth: .*relay of the worker, and name its route in fluxmail\.route/,
      ],
      [{ auth: { type: 'OAuth2', user: 'u', accessToken: 't' } }, /^auth: /],
    ],
  },
  ses: { refused: [[{ ses: { ConfigurationSetName: 'c' } }, /^ses: .*SMTP endpoint of SES/]] },
}

const arriving = Object.entries(table).flatMap(([option, { arrives = [] }]) =>
  arrives.map((make, index) => [option, index + 1, make] as const),
)
const refusals = Object.entries(table).flatMap(([option, { refused = [] }]) =>
  refused.map(([mail, says], index) => [option, index + 1, mail, says] as const),
)

describe('an option arrives as over the SMTP transport of Nodemailer', () => {
  test.each(arriving)('%s, form %i', async (_option, _form, make) => {
    const messages = await doors.sendBoth(() => ({ ...base, ...make() }))
    expect(messages.length).toBeGreaterThan(0)
  })
})

describe('an option that no queue can keep is refused, and nothing is enqueued', () => {
  test.each(refusals)('%s, form %i', async (_option, _form, mail, says) => {
    const { message } = await doors.refused({ ...base, ...mail })
    expect(message).toMatch(says)
  })
})

test.each(['dsn', 'auth', 'ses', 'requireTLSExtensionEnabled'])(
  '%s that says nothing is no reason to refuse',
  async (option) => {
    await doors.sendBoth(() => ({ ...base, [option]: undefined }))
    await doors.sendBoth(() => ({ ...base, [option]: false }))
  },
)

const nodemailer = join(dirname(createRequire(thisFile).resolve('nodemailer/package.json')), 'dist', 'esm')
const sourceOf = (file: string) => readFileSync(join(nodemailer, file), 'utf8')

function declared(file: string, name: string): string[] {
  const body =
    new RegExp(`export interface ${name} [^{]*\\{\\n(.*?)\\n\\}`, 's').exec(sourceOf(file))?.[1] ?? ''
  return [...body.matchAll(/^ {4}(\w+)\?:/gm)].map(([, option = '']) => option)
}

test('the table has every option that Nodemailer declares, and no other', () => {
  const options = [
    ...declared('mail-composer/index.d.ts', 'MailComposerOptions'),
    ...declared('mailer/mail-message.d.ts', 'SendMailOptions'),
  ]
  expect(options.length).toBeGreaterThan(40)
  expect(Object.keys(table).sort()).toEqual(options.sort())
})

test('the table has every option that Nodemailer reads without declaring it', () => {
  const files = [
    'mailer/index.js',
    'mailer/mail-message.js',
    'mail-composer/index.js',
    'smtp-transport/index.js',
  ]
  const source = files.map(sourceOf).join('\n')
  const read = [...source.matchAll(/\b(?:mail\.data|this\.mail|this\.data)\.(\w+)/g)].map(
    ([, name = '']) => name,
  )
  expect(read).toContain('requireTLSExtensionEnabled')
  expect(read.filter((name) => !Object.hasOwn(table, name))).toEqual([])
})

test('nothing of an envelope reaches the wire of Nodemailer that is not known here', () => {
  const source = sourceOf('smtp-connection/index.js')
  const read = [...source.matchAll(/\b(?:this\._envelope|envelope)\.(\w+)/g)].map(([, name = '']) => name)
  const kept = ['accepted', 'rejected', 'rejectedErrors', 'rcptQueue', 'pipelined', 'mailError']
  const known = ['from', 'to', 'size', 'use8BitMime', 'dsn', 'requireTLSExtensionEnabled', ...kept]
  expect(read).toContain('use8BitMime')
  expect(read.filter((name) => !known.includes(name))).toEqual([])
})
