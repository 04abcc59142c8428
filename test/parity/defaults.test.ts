import { expect, onTestFinished, test, vi } from 'vitest'
import { readRows } from '../../scripts/coming-from-fluxmail.js'
import { parseConfig, relaySchema } from '../../src/config.js'
import { parseFluxMailOptions } from '../../src/fluxmail-options.js'
import { BulkSender, FluxMail } from '../../src/index.js'
import { letter, openPost } from './received.js'

const post = openPost()
const relay = (options: object = {}) =>
  parseConfig(relaySchema, { host: 'smtp.example.com', ...options }, 'the relay')
const { limits } = parseFluxMailOptions({ host: 'smtp.example.com', logLevel: 'silent' })

/** What a row has to say of its option, made of what the code has. */
const defaults: readonly (readonly [option: string, said: string])[] = [
  ['timeoutMs', relay().timeoutMs.toLocaleString('en').replace(',', ' ')],
  ['finalReplyTimeoutMs', `${relay().finalReplyTimeoutMs / 60_000} minutes`],
  ['maxConnectionsPerWorker', String(relay().maxConnectionsPerWorker)],
  ['maxMessagesPerConnection', String(relay().maxMessagesPerConnection)],
  ['idleMs', String(relay().idleMs)],
  [
    'port',
    `${relay({ useSsl: true }).port} with \`useSsl\`, ${relay({ useTls: true }).port} with \`useTls\`, else ${relay().port}`,
  ],
  ['maxRetries', `${limits.maxRetries} unless given`],
  ['retryDelayMs', String(limits.retryDelayMs)],
  ['maxAttachmentBytes', `${limits.maxAttachmentBytes / 1024 ** 2} MB`],
  ['objectType', `${new FluxMail({ host: 'x' }).isSmtp() ? 'smtp' : 'outlook'}\` unless given`],
  ['logLevel', '`warn`'],
]

test.each(defaults)('a row that names a default names that of the code: %s', async (option, said) => {
  const rows = readRows().filter(
    ({ group, ours }) => group === 'Configure' && ours.startsWith(`\`${option}\``),
  )
  expect(rows).toHaveLength(1)
  expect(` ${rows[0]?.differs.replaceAll(';', '')} `).toContain(`${said} `)
})

test('logLevel is warn unless it is given', async () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  onTestFinished(() => write.mockRestore())
  const mail = post.mailer({ logLevel: undefined })
  await mail.send(letter)
  expect(write).not.toHaveBeenCalled()
  await expect(mail.send({ ...letter, recipients: ['reject-x@example.com'] })).rejects.toThrow()
  expect(write.mock.calls.map(([line]) => JSON.parse(String(line)).level)).toEqual([40])
})

test('the bar of a batch is off unless it is asked for', async () => {
  const before = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY')
  Object.defineProperty(process.stderr, 'isTTY', { value: true, configurable: true })
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => {
    write.mockRestore()
    if (before) Object.defineProperty(process.stderr, 'isTTY', before)
    else Reflect.deleteProperty(process.stderr, 'isTTY')
  })
  const bulk = new BulkSender(post.mailer())
  expect((await bulk.sendBatch([letter, letter])).sent).toBe(2)
  expect(write).not.toHaveBeenCalled()
  await bulk.sendBatch([letter, letter], { progress: true })
  expect(write).toHaveBeenCalled()
})
