import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { widthOf } from '../../src/terminal/text.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'
import { openTerminal, run } from './terminal.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 60_000, maxAttempts: 1 }
const lanes = { bulk: { retry, unknown: 'hold' as const } }
const address = 'reject-ada@example.com'

function commandOf(flow: MailFlow) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  return (...args: string[]) => run(['forget', ...args], { env })
}

/** The address has failed once, and waits in a batch twice. */
async function known(flow: MailFlow): Promise<void> {
  const worker = await flow.work({ lanes })
  await (await flow.queue.enqueueBatch([{ to: address }], content)).wait({ intervalMs: 20 })
  await worker.close()
  const rows = [address, 'b@example.com', 'Reject-Ada@example.com'].map((to) => ({ to }))
  await flow.queue.enqueueBatch(rows, content, { batchId: 'spring' })
}

async function suppressed({ queue }: MailFlow): Promise<string[]> {
  const found: string[] = []
  for await (const suppression of queue.suppressions.list()) found.push(suppression.address)
  return found
}

test('a dry run counts what would go and changes nothing; the same then goes', async () => {
  await using flow = await openMailFlow()
  const forget = commandOf(flow)
  await known(flow)
  const dry = JSON.parse((await forget(address, '--dry-run', '--suppress', '--json')).stdout)
  expect(dry).toMatchObject({ rows: 2, waiting: 0, failed: 1, errors: 1, suppressed: true, active: 0 })
  // Its bounce has suppressed it.
  expect(await suppressed(flow)).toEqual([address])
  expect(JSON.parse((await forget(address, '--dry-run', '--suppress', '--json')).stdout)).toEqual(dry)
  expect((await flow.queue.batch('spring').status()).pending).toBe(3)
  const shown = (await forget(address, '--dry-run')).stdout
  expect(shown).toMatch(/^what would be erased of reject-ada@example\.com; nothing was changed$/m)
  expect(shown).toMatch(/^rows in batches +2 {2}counted as skipped, and not sent$/m)
  for (const line of shown.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
  expect(JSON.parse((await forget(address, '--yes', '--suppress', '--json')).stdout)).toEqual(dry)
  expect(await flow.queue.batch('spring').status()).toMatchObject({ pending: 1, skipped: 2 })
  expect(await suppressed(flow)).toEqual([expect.stringMatching(/^#[0-9a-f]{40}$/)])
  expect((await forget(address, '--dry-run')).stdout).toContain('\nnothing\nkept: a digest of it')
})

test('off a terminal it needs --yes; on one it shows what would go, and asks', async () => {
  await using flow = await openMailFlow()
  const forget = commandOf(flow)
  await known(flow)
  expect(await forget(address)).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringContaining('--yes'),
  })
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name, NO_COLOR: '1' }
  const onTerminal = async (typed: string) => {
    const stdin = Object.assign(Readable.from([typed]), { isTTY: true })
    const terminal = openTerminal({ env, isTTY: true, stdin })
    return { exitCode: await runCommandLine(['forget', address], terminal), terminal }
  }
  const no = await onTerminal('n\n')
  expect(no.exitCode).toBe(1)
  expect(no.terminal.stderr.text).toMatch(
    /^rows in batches +2 .*\n(.*\n)*Erase what is kept about reject-ada@/,
  )
  expect((await flow.queue.batch('spring').status()).pending).toBe(3)
  const yes = await onTerminal('y\n')
  expect(yes.exitCode).toBe(0)
  expect(yes.terminal.stdout.text).toContain('what was kept about reject-ada@example.com is erased')
  expect((await flow.queue.batch('spring').status()).pending).toBe(1)
})

test('what is no address is refused before anybody is asked, and the help has an example', async () => {
  await using flow = await openMailFlow()
  const refused = await commandOf(flow)('nonsense', '--yes')
  expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(invalid_email)') })
  const { stdout } = await run(['forget', '--help'], { columns: 200 })
  expect(stdout).toMatch(/\nExamples:\n {2}fluxmail forget /)
  for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
})
