import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { MailQueue } from '../../src/index.js'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { newFolder, writeFiles } from './folder.js'
import { openTerminal, run } from './terminal.js'

const people =
  'email,name\r\nada@example.com,Ada\r\nbroken\r\n"bob@example.com","Bob\r\n"\r\nnobody,Nobody\r\nreject-eve@example.com,Eve\r\n'

async function given(
  csv = people,
  template = '<p>Hello {{ name }}</p>',
): Promise<{ args: string[]; redis: string[] }> {
  const [csvPath = '', templatePath = ''] = await writeFiles({ 'people.csv': csv, 'mail.html': template })
  const redis = ['--redis', inject('redisUrl'), '--name', freshName()]
  const content = ['--subject', 'Hi {{ name | trim }}', '--sender', 'news@example.com']
  return { args: ['enqueue', '--csv', csvPath, '--template', templatePath, ...content, ...redis], redis }
}

describe('enqueue', () => {
  test('accepts what can be sent and reports the rest by its line', async () => {
    const { args } = await given()
    const { exitCode, stdout, stderr } = await run(args)
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^3 deliveries in lane bulk, batch b[\w-]+\n/)
    expect(stderr).toMatch(
      /2 rows of .*people\.csv cannot be sent to:\n {2}line 3: it has 1 field .*\n {2}line 6: "nobody" has no @\n$/,
    )
  })

  test('--rejects writes every one of them as CSV', async () => {
    const { args } = await given()
    const file = join(await newFolder(), 'rejects.csv')
    await run([...args, '--rejects', file])
    const lines = (await readFile(file, 'utf8')).split('\r\n')
    expect(lines[0]).toBe('line,reason,row')
    expect(lines.slice(1, 3).sort()).toEqual([
      expect.stringMatching(/^3,.*,broken$/),
      expect.stringMatching(/^6,.*,nobody$/),
    ])
  })

  test('a CSV without any row that can be sent to exits with 1', async () => {
    const { args } = await given('email,name\nnobody,Nobody\n')
    const { exitCode, stdout } = await run(args)
    expect(exitCode).toBe(1)
    expect(stdout).toContain('0 deliveries')
  })

  test('of many broken rows a person sees ten', async () => {
    const { args } = await given(`email,name\n${'broken\n'.repeat(5000)}`)
    const { stderr } = await run(args)
    expect(stderr.match(/^ {2}line /gm)).toHaveLength(10)
    expect(stderr).toContain('and 4,990 rows more; --rejects FILE writes all of them')
  })

  test('--json prints the counts as one line', async () => {
    const { args } = await given()
    const { stdout } = await run([...args, '--json', '--batch', 'spring'])
    expect(JSON.parse(stdout)).toMatchObject({
      id: 'spring',
      total: 3,
      rejected: 2,
      pending: 3,
      sealed: true,
    })
  })

  test('the same batch again enqueues nothing twice, and other rows under its id are refused', async () => {
    const { args, redis } = await given()
    await run([...args, '--batch', 'spring'])
    expect(JSON.parse((await run([...args, '--batch', 'spring', '--json'])).stdout)).toMatchObject({
      total: 3,
    })
    const [other = ''] = await writeFiles({ 'other.csv': 'email,name\nzoe@example.com,Zoe\n' })
    const again = await run([...args, '--batch', 'spring', '--csv', other])
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(batch_conflict)') })
    expect(again.stderr).not.toContain('to go on')
    expect(JSON.parse((await run(['status', '--batch', 'spring', '--json', ...redis])).stdout)).toMatchObject(
      { total: 3 },
    )
  })

  test('a variable that no column fills is found before anybody is enqueued', async () => {
    const { args, redis } = await given(people, '<p>Hello {{ nmae }}</p>')
    const { exitCode, stderr } = await run(args)
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/mail\.html.*"nmae" is not defined \(template_error\)/)
    expect(JSON.parse((await run(['status', '--json', ...redis])).stdout)).toMatchObject([
      { accepted: 0 },
      { accepted: 0 },
    ])
  })

  test('a text template is sent as text', async () => {
    const { args } = await given()
    const [text = ''] = await writeFiles({ 'mail.txt': 'Hello {{ name }} & co' })
    await using flow = await openMailFlow()
    const named = [...args.map((arg) => (arg.endsWith('.html') ? text : arg)), '--name', flow.name]
    await flow.work()
    expect(await run([...named, '--wait'])).toMatchObject({ exitCode: 0 })
    expect(flow.sink.messages[0]?.bytes.toString()).toMatch(/text\/plain.*Hello Ada & co/s)
  })

  test('--wait ends when nothing is pending, with what became of each', async () => {
    const { args } = await given()
    await using flow = await openMailFlow()
    await flow.work()
    const { exitCode, stdout } = await run([...args, '--name', flow.name, '--wait'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/: done\n\naccepted +3\n {2}sent +2\n {2}failed +1\n/)
    expect(stdout).toMatch(/why deliveries failed:\n {2}1 {2}550 5\.1\.1\n/)
    expect(flow.sink.messages.map(({ to }) => to[0]).sort()).toEqual(['ada@example.com', 'bob@example.com'])
  })

  test('Ctrl-C stops it cleanly and says how to go on, and going on completes the batch', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => `r${index}@example.com,R${index}\n`).join('')
    const { args } = await given(`email,name\n${rows}`)
    const terminal = openTerminal()
    const running = runCommandLine([...args, '--batch', 'long'], terminal)
    await untilAcknowledged(args, 'long')
    terminal.interrupt()
    expect(await running).toBe(130)
    expect(terminal.stderr.text).toMatch(
      /^stopped; [\d,]+ deliveries acknowledged, and will be sent\nto go on: the same command again\n/,
    )
    expect(JSON.parse((await run([...args, '--batch', 'long', '--json'])).stdout)).toMatchObject({
      total: 20_000,
      sealed: true,
    })
  })

  test('a bar is shown on a terminal, on the error stream', async () => {
    const { args } = await given()
    const { stdout, stderr } = await run(args, { isTTY: true, env: { NO_COLOR: '1' } })
    expect(stderr).toContain('enqueueing')
    expect(stdout).toMatch(/^3 deliveries/)
  })
})

/** Resolves once some rows of a batch are acknowledged. */
async function untilAcknowledged(args: readonly string[], id: string): Promise<void> {
  await using queue = new MailQueue({ redis: inject('redisUrl'), name: args[args.indexOf('--name') + 1] })
  await eventually('rows are acknowledged', async () => {
    const { total } = await queue.batch(id).status()
    return total > 0
  })
}

describe('status', () => {
  test('shows the lanes beside each other, in 80 columns', async () => {
    const { args, redis } = await given()
    await run(args)
    const { stdout } = await run(['status', ...redis], { isTTY: true, columns: 200 })
    expect(stdout).toMatch(/^ +transactional +bulk\naccepted +0 +3\n {2}sent +0 +0\n/)
    for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
  })

  test('shows a batch and a delivery', async () => {
    const { args, redis } = await given()
    await run([...args, '--batch', 'spring'])
    expect((await run(['status', '--batch', 'spring', ...redis])).stdout).toMatch(
      /^batch spring in lane bulk, since .*: being sent\n/,
    )
    const delivery = await run(['status', '--delivery', 'spring.0', ...redis])
    expect(delivery.stdout).toMatch(/^delivery +spring\.0\nrecipient +ada@example\.com\nstate +waiting\n/)
  })

  test('knows the lanes of the configuration file', async () => {
    const retry = { delaysMs: [1], maxAgeMs: 1, jitter: 0 }
    const config = { relays: { a: { host: 'x.example' } }, lanes: { news: { retry, unknown: 'hold' } } }
    const [file = ''] = await writeFiles({ 'worker.json': JSON.stringify(config) })
    const { redis } = await given()
    const { stdout } = await run(['status', '--json', ...redis], { env: { FLUXMAIL_CONFIG: file } })
    expect(JSON.parse(stdout)).toMatchObject([{ lane: 'news' }])
  })

  test.each([
    ['--batch', 'batch_not_found'],
    ['--delivery', 'delivery_not_found'],
  ])('exits with 2 when there is no such %s', async (flag, code) => {
    const { redis } = await given()
    const { exitCode, stderr } = await run(['status', flag, 'none', ...redis])
    expect(exitCode).toBe(2)
    expect(stderr).toContain(`(${code})`)
  })
})
