// The table of differences is complete: what the code knows has a row, and every row has its test.

import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { differencesTable, readRows } from '../../scripts/coming-from-fluxmail.js'
import type { BulkOptions } from '../../src/bulk-sender.js'
import { addSend } from '../../src/cli/send-flags.js'
import { relaySchema } from '../../src/config.js'
import type { TemplateFileOptions } from '../../src/content/template.js'
import { environmentVariables } from '../../src/environment.js'
import { type ErrorCode, errorCodes } from '../../src/errors.js'
import { type EmailFields, FluxMail, type FluxMailOptions, type SendOptions } from '../../src/index.js'
import type { SendResult } from '../../src/message/email.js'
import { allTests } from './titles.js'

const rows = readRows()

/** The words in backquotes of the rows of a group, on our side and on FluxMail's. */
function wordsOf(group: string): { ours: Set<string>; theirs: Set<string> } {
  const words = (side: 'ours' | 'theirs') =>
    new Set(
      rows
        .filter((row) => row.group === group)
        .flatMap((row) =>
          [...row[side].matchAll(/`([^`]*)`/g)].flatMap(([, code = '']) => code.match(/-*[\w-]+/g) ?? []),
        ),
    )
  return { ours: words('ours'), theirs: words('theirs') }
}

function missingIn(group: string, names: readonly string[]): string[] {
  const { ours } = wordsOf(group)
  return names.filter((name) => !ours.has(name))
}

// The compiler says when one of these lists is not the whole of its type.
const ownOptions = {
  objectType: true,
  host: true,
  sender: true,
  maxRetries: true,
  retryDelayMs: true,
  maxAttachmentBytes: true,
  logger: true,
  logLevel: true,
  outlook: true,
  clock: true,
} satisfies Record<Exclude<keyof FluxMailOptions, keyof z.input<typeof relaySchema>> | 'host', true>

const fields = {
  subject: true,
  recipients: true,
  body: true,
  sender: true,
  replyTo: true,
  cc: true,
  bcc: true,
  htmlBody: true,
  plainBody: true,
  attachments: true,
  inlineImages: true,
  inReplyTo: true,
  references: true,
  priority: true,
  unsubscribeUrl: true,
  inlineCss: true,
  headers: true,
  messageId: true,
  date: true,
} satisfies Record<keyof EmailFields, true>

const sending = {
  dryRun: true,
  signal: true,
  allowPartial: true,
  messageId: true,
  accepted: true,
  rejected: true,
  response: true,
  relay: true,
  attempts: true,
} satisfies Record<keyof SendOptions | Exclude<keyof SendResult, 'preview'>, true>

const templates = {
  autoescape: true,
  strict: true,
  name: true,
  root: true,
} satisfies Record<keyof TemplateFileOptions, true>

const bulk = {
  onSuccess: true,
  onError: true,
  progress: true,
  maxPerSecond: true,
  concurrency: true,
  signal: true,
  maxOutageMs: true,
  maxErrors: true,
} satisfies Record<keyof BulkOptions, true>

/** The codes of FluxMail, and those that it lacks a name for. */
const theirCodes: readonly ErrorCode[] = [
  'not_created',
  'no_relay',
  'sender_required',
  'invalid_config',
  'invalid_params',
  'invalid_priority',
  'invalid_email',
  'no_email',
  'attachment_not_found',
  'read_error',
  'css_inline_failed',
  'send_failed',
  'connection_failed',
  'display_failed',
  'outlook_no_send',
  'outlook_no_async',
  'outlook_no_sender',
  'outlook_no_connect',
]

/** Those that the help shows; the others are there to say what was meant. */
function sendFlags(): string[] {
  const program = new Command()
  addSend(program, () => async () => undefined)
  const options = program.commands.flatMap((command) => command.options)
  return options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '')
}

describe('a row is there for every', () => {
  test('option of FluxMail and of a relay', () => {
    const { properties = {} } = z.toJSONSchema(relaySchema, { io: 'input', unrepresentable: 'any' })
    expect(missingIn('Configure', [...Object.keys(ownOptions), ...Object.keys(properties)])).toEqual([])
  })

  test('environment variable that sets one of them and is of FluxMail', () => {
    const theirs = [...wordsOf('Environment').theirs].filter((word) => word.startsWith('FLUXMAIL_'))
    expect(theirs).toHaveLength(10)
    expect(theirs.filter((name) => !Object.hasOwn(environmentVariables, name))).toEqual([])
    const own = Object.entries(environmentVariables).filter(([, { sets }]) => Object.hasOwn(ownOptions, sets))
    const elsewhere = ['FLUXMAIL_LOG_LEVEL']
    expect(
      missingIn(
        'Environment',
        own.map(([name]) => name).filter((name) => !elsewhere.includes(name)),
      ),
    ).toEqual([])
  })

  test('method of FluxMail', () => {
    const methods = Object.getOwnPropertyNames(FluxMail.prototype).filter((name) => name !== 'constructor')
    const named = rows.map(({ ours }) => ours).join(' ')
    expect(
      [...methods, 'fromEnv', 'display', 'toMime', 'toDraft'].filter((name) => !named.includes(`${name}(`)),
    ).toEqual([])
  })

  test('field of an email', () => {
    expect(missingIn('Create', Object.keys(fields))).toEqual([])
  })

  test('option and result of send()', () => {
    expect(missingIn('Send, preview, test', Object.keys(sending))).toEqual([])
  })

  test('option of a template', () => {
    expect(missingIn('EmailTemplate', Object.keys(templates))).toEqual([])
  })

  test('option of BulkSender', () => {
    expect(missingIn('BulkSender', Object.keys(bulk))).toEqual([])
  })

  test('error code of FluxMail, each of them one of ours', () => {
    expect(missingIn('Errors', theirCodes)).toEqual([])
    expect(theirCodes.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([])
  })

  test('flag of fluxmail send', () => {
    expect(sendFlags().length).toBeGreaterThan(20)
    expect(missingIn('Command', sendFlags())).toEqual([])
  })

  test('fault of FluxMail, from 1 to 14', () => {
    const faults = rows
      .filter(({ group }) => group.startsWith('Faults'))
      .map(({ theirs }) => Number.parseInt(theirs, 10))
    expect([...new Set(faults)]).toEqual(Array.from({ length: 14 }, (_, index) => index + 1))
  })
})

test('no row names what is not there: every option, field, flag and code on our side exists', () => {
  const flags = new Set(sendFlags())
  const claimed = [...wordsOf('Command').ours].filter((word) => word.startsWith('--'))
  expect(claimed.filter((flag) => !flags.has(flag))).toEqual([])
  const codes = [...wordsOf('Errors').ours].filter((word) => /^[a-z]+_[a-z_]+$/.test(word))
  expect(codes.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([])
  const variables = [...wordsOf('Environment').ours].filter((word) => word.startsWith('FLUXMAIL_'))
  expect(variables.filter((name) => !Object.hasOwn(environmentVariables, name))).toEqual([])
})

test('every row names tests that exist, by their whole titles, and none twice', () => {
  const tests = allTests()
  expect(tests.size).toBeGreaterThan(500)
  const proofs = rows.flatMap((row) => row.proofs)
  expect(proofs.filter((proof) => !tests.has(proof))).toEqual([])
  expect(rows.filter((row) => new Set(row.proofs).size < row.proofs.length)).toEqual([])
})

test('the table stands in the README as the list has it; `npm run docs` writes it', () => {
  const readme = readFileSync('README.md', 'utf8')
  const place = 'coming-from-fluxmail'
  expect(readme).toContain('## Coming from FluxMail (Python)\n')
  expect(readme).toContain(`<!-- ${place}:begin -->\n${differencesTable()}\n<!-- ${place}:end -->`)
})
