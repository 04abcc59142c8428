import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow } from '../helpers/mail-flow.js'
import { writeFiles } from './folder.js'
import { openTerminal, run, type TerminalOptions } from './terminal.js'

function commandOf(flow: MailFlow, options: TerminalOptions = {}) {
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  return (...args: string[]) => run(['suppress', ...args], { ...options, env })
}

test('what is added holds from then on, for a time where one is given, and what is removed does not', async () => {
  await using flow = await openMailFlow()
  const suppress = commandOf(flow)
  const added = await suppress(
    'add',
    'Ada@Example.com',
    '@spam.example',
    '--reason',
    'complaint',
    '--days',
    '30',
  )
  expect(added.stdout).toMatch(/^ada@example\.com is suppressed \(complaint\) since /)
  const found = await flow.queue.suppressions.get('x@spam.example')
  expect(found).toMatchObject({ address: '@spam.example', reason: 'complaint' })
  const days = ((found?.expiresAt?.getTime() ?? 0) - Date.now()) / 86_400_000
  expect(days).toBeCloseTo(30, 1)
  await suppress('add', 'b@example.com', '--until', '2099-01-01')
  expect((await flow.queue.suppressions.get('b@example.com'))?.expiresAt).toEqual(new Date(2099, 0, 1))
  expect((await suppress('remove', 'ada@example.com')).stdout).toBe(
    'ada@example.com is suppressed no longer\n',
  )
  const removed = await suppress('remove', 'ada@example.com', 'x@spam.example')
  expect(removed.stdout).toMatch(/^ada@example\.com was not suppressed\n/)
  expect(removed.stdout.replaceAll('\n', ' ')).toContain('nothing is sent to it: @spam.example is suppressed')
})

test('when one of several is no address, none of them is added', async () => {
  await using flow = await openMailFlow()
  const suppress = commandOf(flow)
  const refused = await suppress('add', 'a@example.com', 'nonsense')
  expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(invalid_email)') })
  expect(await flow.queue.suppressions.has('a@example.com')).toBe(false)
  const wrong = [
    [['--until', '2020-01-01'], /is over already/],
    [['--until', 'soon'], /--until takes a time/],
    [['--days', '0'], /--days takes a number/],
    [['--days', '1', '--until', '2099-01-01'], /--until and --days say the same/],
  ] as const
  for (const [args, message] of wrong) {
    const { exitCode, stderr } = await suppress('add', 'a@example.com', ...args)
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(message)
  }
})

test('the newest are listed in 80 columns with no address cut, and named ones are told of', async () => {
  await using flow = await openMailFlow()
  const suppress = commandOf(flow)
  expect((await suppress('list')).stdout).toBe('nothing is suppressed\n')
  const long = `${'a'.repeat(60)}@${'b'.repeat(40)}.example.com`
  for (const [index, address] of ['first@example.com', 'second@example.com', long].entries())
    await flow.queue.suppressions.add(address, { reason: 'bounce', since: new Date(2026, 0, index + 1) })
  const listed = (await suppress('list', '--limit', '2')).stdout.split('\n')
  expect(listed[0]).toMatch(/^address +reason +since +until$/)
  expect(listed[1]).toBe(long)
  expect(listed[2]).toMatch(/^ +bounce {2}2026-01-03 {2}–$/)
  expect(listed[3]).toMatch(/^second@example\.com {2}bounce {2}2026-01-02 {2}–$/)
  expect(listed).toContain('and 1 more: --limit, or all of them with `fluxmail suppress export`')
  for (const line of listed) if (line !== long) expect(widthOf(line)).toBeLessThanOrEqual(80)
  expect((await suppress('list', '--reason', 'manual')).stdout).toBe('nothing is suppressed\n')
  const named = await suppress('list', 'first@example.com', 'other@example.com')
  expect(named.stdout).toMatch(/^first@example\.com is suppressed \(bounce\) .*\nother@example\.com is not/)
  expect(
    JSON.parse((await suppress('list', 'first@example.com', 'x@y.example', '--json')).stdout),
  ).toMatchObject([{ address: 'first@example.com' }])
  expect(JSON.parse((await suppress('list', '--json', '--limit', '1')).stdout)).toMatchObject([
    { address: long },
  ])
})

test('a plain list is imported, with what is no address reported by its line', async () => {
  await using flow = await openMailFlow()
  const suppress = commandOf(flow)
  const [list = '', rejects = ''] = await writeFiles({
    'list.txt':
      '\ufeff# who has left\r\nada@example.com\r\n\r\n@spam.example\r\nbroken\r\n"b@example.com"\r\n',
    'rejects.csv': '',
  })
  const imported = await suppress('import', list, '--reason', 'unsubscribed', '--rejects', rejects)
  expect(imported).toMatchObject({ exitCode: 0, stdout: '3 new suppressions\n' })
  expect(imported.stderr).toMatch(/^1 row of .*list\.txt cannot be taken:\n {2}line 5: "broken" has no @\n/)
  expect((await readFile(rejects, 'utf8')).split('\r\n')[1]).toMatch(/^5,.*,broken$/)
  expect(await flow.queue.suppressions.get('x@spam.example')).toMatchObject({ reason: 'unsubscribed' })
  const again = await suppress('import', list, '--json')
  expect(JSON.parse(again.stdout)).toEqual({ added: 0, replaced: 3, rejected: 1 })
  const stopped = await suppress('import', list, '--max-rejects', '0')
  expect(stopped).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('stopped at line 5') })
})

test('a CSV says of each row why, since when and until when; what is over already is not taken', async () => {
  await using flow = await openMailFlow()
  const csv =
    'E-Mail;Reason;Since;Expires_at\na@example.com;bounce;2026-01-02T03:04:05Z;2099-01-01T00:00:00Z\n' +
    'b@example.com;;;\nc@example.com;;yesterday;\nd@example.com;;;2020-01-01\n'
  const suppress = commandOf(flow, { stdin: Readable.from([gzipSync(csv)]) })
  const imported = await suppress('import', '-', '--reason', 'import', '--days', '5')
  expect(imported.stdout).toBe('2 new suppressions\n')
  expect(imported.stderr).toMatch(/2 rows of standard input cannot be taken:/)
  expect(imported.stderr).toMatch(/line 4: since: it is no time/)
  expect(imported.stderr).toMatch(/line 5: expires_at: .* is over already/)
  expect(await flow.queue.suppressions.get('a@example.com')).toEqual({
    address: 'a@example.com',
    reason: 'bounce',
    since: new Date('2026-01-02T03:04:05Z'),
    expiresAt: new Date('2099-01-01T00:00:00Z'),
  })
  const b = await flow.queue.suppressions.get('b@example.com')
  expect(b).toMatchObject({ reason: 'import', expiresAt: expect.any(Date) })
})

test('NDJSON and a named column are read; a file without addresses is an error', async () => {
  await using flow = await openMailFlow()
  const suppress = commandOf(flow)
  const [ndjson = '', csv = '', empty = '', wrong = ''] = await writeFiles({
    'list.ndjson': '{"address":"a@example.com","reason":"complaint"}\n{"email":"b@example.com"}\n{}\n',
    'list.csv': 'who,why\nc@example.com,x\n',
    'empty.txt': '\n',
    'wrong.txt': 'no address\nat all\n',
  })
  expect((await suppress('import', ndjson)).stdout).toBe('2 new suppressions\n')
  expect(await flow.queue.suppressions.get('a@example.com')).toMatchObject({ reason: 'complaint' })
  expect((await suppress('import', csv, '--to-column', 'who')).stdout).toBe('1 new suppression\n')
  expect((await suppress('import', csv)).stderr).toContain('--to-column')
  for (const file of [empty, wrong, `${wrong}.none`])
    expect(await suppress('import', file)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^\[Flux/),
    })
})

test('an import that is stopped in the middle of a pipe has imported what came before', async () => {
  await using flow = await openMailFlow()
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  const stdin = new Readable({ read: () => undefined })
  const terminal = openTerminal({ env, stdin })
  stdin.push(`${Array.from({ length: 1_500 }, (_, index) => `a${index}@example.com`).join('\n')}\n`)
  const exited = runCommandLine(['suppress', 'import', '-'], terminal)
  await eventually('the first thousand is there', () => flow.queue.suppressions.has('a999@example.com'))
  terminal.interrupt()
  expect(await exited).toBe(130)
  expect(terminal.stdout.text).toBe('1,500 new suppressions\n')
  expect(terminal.stderr.text).toContain('stopped; the same command again imports the rest')
})

test('what is exported can be imported under another name', async () => {
  await using flow = await openMailFlow()
  await using other = await openMailFlow()
  const expiresAt = new Date('2099-01-01T00:00:00Z')
  await flow.queue.suppressions.add('a@example.com', { reason: 'he said: "no", twice', expiresAt })
  await flow.queue.suppressions.add('@spam.example')
  const { stdout } = await commandOf(flow)('export')
  expect(stdout.split('\n')[0]).toBe('address,reason,since,expires_at,code')
  const imported = await commandOf(other, { stdin: Readable.from([stdout]) })('import', '-')
  expect(imported.stdout).toBe('2 new suppressions\n')
  for (const address of ['a@example.com', '@spam.example'])
    expect(await other.queue.suppressions.get(address)).toEqual(await flow.queue.suppressions.get(address))
})

const commands = ['add', 'remove', 'list', 'import', 'export']
test.each(commands)('the help of suppress %s has an example of it, in 80 columns', async (command) => {
  const { exitCode, stdout } = await run(['suppress', command, '--help'], { columns: 200 })
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(new RegExp(`\nExamples?:\n {2}fluxmail suppress ${command}`))
  for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
})
