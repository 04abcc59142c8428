import { expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { keysOf } from '../../src/redis.js'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { openTerminal, run, type TerminalOptions } from './terminal.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const esc = '\u001b'

function start(flow: MailFlow, args: readonly string[], options: TerminalOptions = {}) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name, NO_COLOR: '1' }
  const terminal = openTerminal({ env, ...options })
  return { terminal, exited: runCommandLine(['watch', ...args], terminal) }
}

/** What the last drawing left on the screen. */
function lastFrame(text: string): string[] {
  const frame = text.split(new RegExp(`\r${esc}\\[\\d+A`)).at(-1) ?? ''
  return frame.replaceAll(`${esc}[K`, '').replaceAll(`${esc}[J`, '').trimEnd().split('\n')
}

test('on a terminal it is one view that is drawn anew in its place, and stays when the batch has ended', async () => {
  await using flow = await openMailFlow()
  const rows = [
    ...rowsTo(30),
    { to: 'reject-a@example.com' },
    { to: 'reject-b@example.com' },
    { to: 'lost-c@example.com' },
  ]
  await flow.queue.enqueueBatch(rows, content, { batchId: 'spring' })
  const { terminal, exited } = start(flow, ['spring', '--interval', '0.1'], { isTTY: true })
  await eventually('nobody works', () =>
    lastFrame(terminal.stdout.text).join().includes('no worker is there'),
  )
  await flow.queue.batch('spring').pause({ reason: 'wrong price', by: 'ada' })
  await eventually('it is paused', () =>
    lastFrame(terminal.stdout.text).join().includes('by ada: wrong price'),
  )
  await flow.queue.batch('spring').resume()
  await flow.work({ maxPerWorkerPerSecond: 50 })
  expect(await exited).toBe(0)
  const frame = lastFrame(terminal.stdout.text)
  expect(frame[0]).toBe('batch spring in lane bulk: finished')
  expect(frame.join('\n')).toMatch(/^█+ {2}100 %$/m)
  expect(frame.join('\n')).toMatch(/^sent {6}30 {4}waiting {3} 0$/m)
  expect(frame.join('\n')).toMatch(/^failures\n {2}2 {2}550 5\.1\.1 {2}<address>: Recipient address/m)
  expect(frame.join('\n')).toMatch(
    /^relays\n {2}main {2}circuit closed; 1 worker, at most 50\/s, now [\d.]+\/s$/m,
  )
  expect(Math.max(...frame.map(widthOf))).toBeLessThan(80)
  // No mode of the terminal is changed that something would have to set back.
  expect(terminal.stdout.text).not.toContain(`${esc}[?`)
})

test('where there is no terminal it is a line when something changes, at a bounded pace, and the groups at the end', async () => {
  await using flow = await openMailFlow()
  await flow.queue.enqueueBatch([...rowsTo(5), { to: 'reject-a@example.com' }], content, {
    batchId: 'spring',
  })
  const { terminal, exited } = start(flow, ['spring', '--exit-status'])
  await eventually('its first line is there', () => terminal.stdout.text.includes('\n'))
  await flow.work()
  expect(await exited).toBe(2)
  const lines = terminal.stdout.text.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^[-\d]+ [:\d]+ spring sending: 0 of 6 \(0 %\), 0\/s; no worker is there/)
  expect(lines.find((line) => line.includes('finished'))).toMatch(/: 6 of 6 \(100 %\), 1 failed$/)
  expect(terminal.stdout.text).toMatch(/^ +1 {2}[0-9a-f]{8} {2}550 5\.1\.1 /m)
  expect(lines.filter((line) => line.includes(' of 6 ')).length).toBeLessThanOrEqual(4)
  expect(terminal.stdout.text).not.toContain(esc)
  expect(await start(flow, ['spring']).exited).toBe(0)
})

test('as JSON each line is what Batch.progress gives, groups and relays with it', async () => {
  await using flow = await openMailFlow()
  const batch = await flow.queue.enqueueBatch(
    [{ to: 'a@example.com' }, { to: 'reject-b@example.com' }],
    content,
  )
  await flow.work()
  await batch.wait({ intervalMs: 20 })
  const given = []
  for await (const progress of batch.progress()) given.push(progress)
  const [last] = given
  expect(given).toHaveLength(1)
  expect(last?.groups).toMatchObject([
    { count: 1, code: '550 5.1.1', example: { recipient: 'reject-b@example.com' } },
  ])
  expect(last?.relays).toMatchObject([{ relay: 'main', circuit: 'closed', workers: 1 }])
  const { terminal, exited } = start(flow, [batch.id, '--json'])
  expect(await exited).toBe(0)
  expect(JSON.parse(terminal.stdout.text)).toEqual(JSON.parse(JSON.stringify(last)))
})

test('Ctrl-C ends the watching and leaves the batch and the screen as they are', async () => {
  await using flow = await openMailFlow()
  await flow.queue.enqueueBatch(rowsTo(3), content, { batchId: 'spring' })
  const before = await flow.queue.batch('spring').status()
  const { terminal, exited } = start(flow, ['spring'], { isTTY: true })
  await eventually('it is drawn', () => terminal.stdout.text.includes('waits for'))
  const drawn = terminal.stdout.text
  terminal.interrupt()
  expect(await exited).toBe(130)
  expect(terminal.stdout.text).toBe(drawn)
  expect(terminal.stderr.text).toBe('no longer watched; batch spring goes its way\n')
  expect(await flow.queue.batch('spring').status()).toEqual(before)
})

test('a batch whose importer is gone is watched as long as something of it is pending, and then named incomplete', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  async function* broken() {
    yield* rowsTo(300)
    throw new Error('the file is gone')
  }
  await expect(flow.queue.enqueueBatch(broken(), content, { batchId: 'spring' })).rejects.toThrow(
    'the file is gone',
  )
  await redis.del(keysOf(flow.name).batchImporter('spring'))
  const { terminal, exited } = start(flow, ['spring'])
  await eventually('it says so', () => terminal.stdout.text.includes('incomplete: 0 of 256'))
  await flow.work()
  expect(await exited).toBe(2)
  expect(terminal.stderr.text).toContain('(batch_incomplete)')
  expect((await flow.queue.batch('spring').status()).sent).toBe(256)
  await flow.queue.batch('spring').cancel()
  expect(await start(flow, ['spring']).exited).toBe(0)
})

test('a batch that is not there is an error, and the help has an example', async () => {
  await using flow = await openMailFlow()
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  expect(await run(['watch', 'none'], { env })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('(batch_not_found)'),
  })
  expect((await run(['watch', 'none', '--interval', '0'], { env })).exitCode).toBe(1)
  const { stdout } = await run(['watch', '--help'], { columns: 200 })
  expect(stdout).toMatch(/\nExamples:\n {2}fluxmail watch /)
  for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
})
