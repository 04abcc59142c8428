import { expect, test } from 'vitest'
import type { WorkerView } from '../../src/index.js'
import { widthOf } from '../../src/terminal/text.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { run } from './terminal.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

test('workers are listed with lanes, rates and connections, within 80 columns; one that was closed is not', async () => {
  await using flow = await openMailFlow()
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name }
  const list = () => run(['workers'], { env, columns: 80 })
  expect((await list()).stdout).toBe('no worker is there: none has said so for six seconds\n')
  const [first] = [await flow.work(), await flow.work()]
  await flow.queue.enqueueBatch(rowsTo(50), content)
  const shown = await eventually('a lane has a rate', async () => {
    const { stdout } = await list()
    return /bulk [1-9][\d.]*\/s/.test(stdout) ? stdout : undefined
  })
  expect(shown).toMatch(/^worker +pid +version +since +host\n/)
  expect(shown).toContain(` ${process.pid}  `)
  expect(shown).toMatch(/relay main: \d+ connections?/)
  expect(shown).toMatch(/2 workers: /)
  expect(Math.max(...shown.split('\n').map(widthOf))).toBeLessThanOrEqual(80)
  await first.close()
  const { stdout } = await run(['workers', '--json'], { env })
  const left = JSON.parse(stdout) as WorkerView[]
  expect(left).toHaveLength(1)
  expect(left[0]).toMatchObject({ pid: process.pid, relays: [{ relay: 'main' }] })
})
