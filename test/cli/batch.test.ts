import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { openTerminal, run } from './terminal.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

function commandOf(flow: MailFlow) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  return (...args: string[]) => run(['batch', ...args], { env })
}

/** Runs a command on a terminal on which somebody types. */
async function answered(flow: MailFlow, args: readonly string[], typed: string) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name, NO_COLOR: '1' }
  const stdin = Object.assign(Readable.from([typed]), { isTTY: true })
  const terminal = openTerminal({ env, isTTY: true, stdin })
  const exitCode = await runCommandLine(['batch', ...args], terminal)
  return { exitCode, stdout: terminal.stdout.text, stderr: terminal.stderr.text }
}

test('batches are listed newest first, with what is not finished marked, and no id is cut', async () => {
  await using flow = await openMailFlow()
  const batch = commandOf(flow)
  expect((await batch('list')).stdout).toBe('there is no batch\n')
  const long = 'a-name-that-is-longer-than-the-room-that-a-table-has-for-it'
  await flow.queue.enqueueBatch(rowsTo(3), content, { batchId: 'first' })
  await flow.work()
  await flow.queue.batch('first').wait({ intervalMs: 20 })
  await flow.queue.enqueueBatch(rowsTo(1_000), content, {
    batchId: long,
    sendAt: new Date(Date.now() + 3_600_000),
  })
  const listed = await batch('list')
  expect(listed.exitCode).toBe(0)
  const lines = listed.stdout.split('\n')
  expect(lines[1]).toBe(`* ${long}`)
  expect(lines[2]).toMatch(/^ {9,}scheduled +0 % +1,000 +0 +\d{4}-\d\d-\d\d \d\d:\d\d$/)
  expect(lines[3]).toMatch(/^ {2}first +finished +100 % +3 +0 /)
  expect(lines.at(-2)).toBe('* is not finished')
  expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(80)
  const active = await batch('list', '--active')
  expect(active.stdout).not.toMatch(/first/)
  expect((await batch('list', '--limit', '1')).stdout).toContain('there are more than these 1: --limit')
  const json = JSON.parse((await batch('list', '--json')).stdout) as { id: string }[]
  expect(json.map(({ id }) => id)).toEqual([long, 'first'])
  await flow.queue.batch(long).cancel()
  expect((await batch('list', '--active')).stdout).toBe('every batch is finished\n')
})

test('a batch is shown with its schedule, what it waits for, its failures by code, and who paused it', async () => {
  await using flow = await openMailFlow()
  const batch = commandOf(flow)
  const sendWindow = { days: ['mon', 'tue', 'wed'] as const, from: '00:00', to: '24:00', timeZone: 'UTC' }
  await flow.queue.enqueueBatch(rowsTo(4), content, {
    batchId: 'later',
    sendAt: new Date(Date.now() + 3_600_000),
    sendWindow: { ...sendWindow, days: [...sendWindow.days] },
    priority: 30,
  })
  const later = (await batch('show', 'later')).stdout
  expect(later).toMatch(/^batch later in lane bulk: scheduled$/m)
  expect(later).toMatch(/^ {2}nothing before \d{4}-/m)
  expect(later).toMatch(/^ {2}only mon-wed 00:00 to 24:00, UTC$/m)
  expect(later).toMatch(/^ {2}priority 30$/m)
  expect(later).toMatch(/^waits for\n {2}- it is scheduled for /m)
  await batch('pause', 'later', '--reason', 'wrong price', '--by', 'ada')
  const paused = (await batch('show', 'later')).stdout
  expect(paused).toMatch(/: paused\n.*\npaused [-\d]+ [:\d]+ by ada: wrong price$/m)
  await flow.queue.enqueueBatch([{ to: 'reject-a@example.com' }, { to: 'b@example.com' }], content, {
    batchId: 'now',
  })
  await flow.work()
  await flow.queue.batch('now').wait({ intervalMs: 20 })
  const now = (await batch('show', 'now')).stdout
  expect(now).toMatch(/100 %$/m)
  expect(now).toMatch(/^why deliveries failed:\n {2}1 {2}550 5\.1\.1$/m)
  expect(now).not.toContain('waits for')
  expect(JSON.parse((await batch('show', 'now', '--json')).stdout)).toMatchObject({
    kind: 'batch',
    status: { sent: 1, failed: 1 },
  })
  expect(await batch('show', 'none')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('(batch_not_found)'),
  })
  expect(await batch('show', 'now.1')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('now.1 is a delivery'),
  })
})

test('pause and resume say what they changed, and who did it', async () => {
  await using flow = await openMailFlow()
  const batch = commandOf(flow)
  await flow.queue.enqueueBatch(rowsTo(5), content, { batchId: 'spring' })
  const paused = await batch('pause', 'spring', '--reason', 'wrong price')
  expect(paused.stdout).toContain('batch spring is paused; 5 deliveries wait')
  expect(paused.stdout).toContain('fluxmail batch resume spring')
  const { paused: stop } = await flow.queue.batch('spring').status()
  expect(stop).toMatchObject({ reason: 'wrong price', by: expect.stringContaining('@') })
  const again = await batch('pause', 'spring', '--reason', 'another')
  expect(again.stdout.replaceAll('\n', ' ')).toMatch(/stays as it was: paused .*: wrong price/)
  expect(JSON.parse((await batch('resume', 'spring', '--json')).stdout)).toMatchObject({
    id: 'spring',
    changed: true,
    pending: 5,
  })
  expect((await batch('resume', 'spring')).stdout).toContain('was not paused; 5 deliveries are pending')
  await batch('cancel', 'spring', '--yes')
  expect(await batch('resume', 'spring')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('(batch_cancelled)'),
  })
})

test('cancel and delete need --yes where nobody can be asked, and change nothing without', async () => {
  await using flow = await openMailFlow()
  const batch = commandOf(flow)
  await flow.queue.enqueueBatch(rowsTo(5), content, { batchId: 'spring' })
  const refused = await batch('cancel', 'spring')
  expect(refused).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('--yes') })
  const early = await batch('delete', 'spring', '--yes')
  expect(early).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/cancel it first.*\(batch_not_finished\)/),
  })
  expect(await flow.queue.batch('spring').status()).toMatchObject({ pending: 5, skipped: 0 })
  const cancelled = await batch('cancel', 'spring', '--yes', '--reason', 'wrong list')
  expect(cancelled.stdout).toContain('batch spring is cancelled: 0 sent, 5 skipped')
  expect((await batch('cancel', 'spring')).stdout).toMatch(/^nothing of batch spring is pending; cancelled /)
  expect(await batch('delete', 'spring')).toMatchObject({ exitCode: 1 })
  expect(await batch('delete', 'spring', '--yes', '--json')).toMatchObject({
    exitCode: 0,
    stdout: '{"id":"spring","deleted":true}\n',
  })
  expect((await batch('show', 'spring')).stderr).toContain('(batch_not_found)')
})

test('on a terminal cancel asks, and only yes is yes', async () => {
  await using flow = await openMailFlow()
  await flow.queue.enqueueBatch(rowsTo(5), content, { batchId: 'spring' })
  for (const typed of ['\n', 'n\n', 'yesterday\n', '']) {
    const { exitCode, stderr } = await answered(flow, ['cancel', 'spring'], typed)
    expect(exitCode).toBe(1)
    expect(stderr).toContain('so that 5 deliveries are never sent? [y/N] nothing was changed')
  }
  expect(await flow.queue.batch('spring').status()).toMatchObject({ pending: 5 })
  expect((await answered(flow, ['cancel', 'spring'], 'Yes\n')).exitCode).toBe(0)
  await eventually('it is cancelled', async () => (await flow.queue.batch('spring').status()).skipped === 5)
  expect((await answered(flow, ['delete', 'spring'], 'y\n')).stdout).toBe('batch spring is deleted\n')
})

test('alone it prints its help, and a word that is none is named', async () => {
  const alone = await run(['batch'])
  expect(alone).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^Usage: fluxmail batch/) })
  expect(alone.stderr).not.toContain('ERROR')
  expect((await run(['batch', 'lst'])).stderr).toContain("unknown command 'lst' (Did you mean list?)")
})

const commands = ['list', 'show', 'pause', 'resume', 'cancel', 'delete']
test.each(commands)('the help of batch %s has an example of it, in 80 columns', async (command) => {
  const { exitCode, stdout } = await run(['batch', command, '--help'], { columns: 200 })
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(new RegExp(`\nExample:\n {2}fluxmail batch ${command}`))
  for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
})
