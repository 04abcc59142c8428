import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { MailQueue } from '../../../src/index.js'
import { eventually } from '../../helpers/eventually.js'
import { openMailFlow } from '../../helpers/mail-flow.js'
import { writeFiles } from '../folder.js'

const rowCount = 20_000
const kills = 5

function startImport(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [resolve('dist/src/cli/main.js'), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // It is killed while it reads.
  child.stdin?.on('error', () => undefined)
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function acknowledged(queue: MailQueue, id: string): Promise<number> {
  try {
    return (await queue.batch(id).status()).total
  } catch {
    return 0
  }
}

test('an import of 20,000 rows that is killed five times ends with every row sent once', {
  timeout: 180_000,
}, async () => {
  await using flow = await openMailFlow()
  const [template = ''] = await writeFiles({ 'mail.txt': 'Hello {{ name }}' })
  const rows = Array.from({ length: rowCount }, (_, index) => `r${index}@example.com,"Name, ${index}"\n`)
  // Some of them are no deliveries, and a run that goes on must find the same ones.
  for (let index = 500; index < rowCount; index += 1_000)
    rows[index] = index % 2_000 === 500 ? 'broken\n' : (rows[0] ?? '')
  const content = ['--template', template, '--subject', 'Hi', '--sender', 'news@example.com']
  const queueFlags = ['--redis', flow.redisUrl, '--name', flow.name, '--batch', 'killed']
  const args = ['enqueue', '--rows', '-', '--format', 'csv', ...content, ...queueFlags, '--json']
  const text = (count: number) => `email,name\n${rows.slice(0, count).join('')}`
  for (let run = 0; run < kills; run += 1) {
    const child = startImport(args)
    child.stdin?.write(text(Math.round((rowCount * (run + 1)) / (kills + 1))))
    const enough = Math.round((rowCount * (run + 0.5)) / (kills + 1))
    await eventually(
      `${enough} rows are acknowledged`,
      async () => (await acknowledged(flow.queue, 'killed')) >= enough,
      {
        withinMs: 30_000,
      },
    )
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  expect((await flow.queue.batch('killed').status()).sealed).toBe(false)
  const last = startImport(args)
  last.stdin?.end(text(rowCount))
  let said = ''
  last.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  expect(await once(last, 'close')).toEqual([0, null])
  const bad = rowCount / 2_000
  expect(JSON.parse(said)).toMatchObject({
    total: rowCount - 2 * bad,
    rejected: bad,
    duplicates: bad,
    sealed: true,
  })
  await flow.work()
  const result = await flow.queue.batch('killed').wait()
  expect(result).toMatchObject({ sent: rowCount - 2 * bad, pending: 0 })
  const to = flow.sink.messages.map((message) => message.to[0])
  expect(to).toHaveLength(rowCount - 2 * bad)
  expect(new Set(to).size).toBe(to.length)
})
