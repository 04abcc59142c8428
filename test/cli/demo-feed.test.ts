// `fluxmail demo --feed`, against a real Redis and no worker: what it puts in, when it holds back, and how it ends.

import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { demo } from '../../src/cli/demo.js'
import { MailQueue } from '../../src/mail-queue.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { openRedisServer } from '../helpers/redis-server.js'
import { openTerminal, run } from './terminal.js'

function openFeed(redis: string, name = freshName()) {
  const terminal = openTerminal({ env: { FLUXMAIL_REDIS_URL: redis, FLUXMAIL_NAME: name } })
  const queue = new MailQueue({ redis, name })
  const ended = demo({ feed: true }, terminal)
  onTestFinished(async () => {
    terminal.interrupt()
    await ended
    await queue.close()
  })
  const pending = async (): Promise<Record<string, number>> =>
    Object.fromEntries((await queue.status()).map((lane) => [lane.lane, lane.pending]))
  return { terminal, queue, ended, pending }
}

/** Of the thousand rows, two are no addresses. */
const batchSize = 998

describe('demo --feed', () => {
  test('puts in single mail again and again, one batch, and no other while that waits', async () => {
    const { queue, pending } = openFeed(inject('redisUrl'))
    await eventually('a batch and three single mails', async () => {
      const { transactional = 0, bulk = 0 } = await pending()
      return bulk === batchSize && transactional >= 3
    })
    expect(await pending()).toMatchObject({ bulk: batchSize })
    expect(await queue.batches()).toHaveLength(1)
  })

  test('ends at once and with 0 when it is told to, also while it stores a batch', async () => {
    for (const when of ['at once', 'within a batch', 'while it waits']) {
      const { terminal, ended, pending } = openFeed(inject('redisUrl'))
      if (when === 'within a batch')
        await eventually('the first mail', async () => ((await pending()).transactional ?? 0) > 0)
      if (when === 'while it waits')
        await eventually('a batch', async () => (await pending()).bulk === batchSize)
      const from = performance.now()
      terminal.interrupt()
      expect([when, await ended]).toEqual([when, 0])
      expect(performance.now() - from).toBeLessThan(900)
      expect(terminal.stderr.text).toMatch(/^demo: a mail a second[^\n]*\n$/)
    }
  })

  test('says once that Redis is away, and goes on when it is back', async () => {
    await using first = await openRedisServer()
    const { terminal, pending } = openFeed(`redis://127.0.0.1:${first.port}`)
    await eventually('mail', async () => ((await pending()).transactional ?? 0) > 0)
    first.kill()
    const said = () => terminal.stderr.text.match(/^demo: .*\(queue_unavailable\); trying again$/gm) ?? []
    await eventually('it says so', () => said().length > 0)
    await using _second = await openRedisServer({ port: first.port })
    await eventually('it has gone on', async () => ((await pending()).transactional ?? 0) > 0)
    expect(said()).toHaveLength(1)
  })

  test.each([
    ['FLUXMAIL_HOST', 'smtp.example.org'],
    ['FLUXMAIL_PRESET', 'postmark'],
    ['FLUXMAIL_CONFIG', '/etc/fluxmail.json'],
  ])('puts nothing in where %s names a relay that is somebody’s', async (name, value) => {
    const env = { FLUXMAIL_REDIS_URL: inject('redisUrl'), FLUXMAIL_NAME: freshName(), [name]: value }
    const { exitCode, stderr } = await run(['demo', '--feed'], { env })
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(`${name} is set`) })
    await using queue = new MailQueue({ redis: env.FLUXMAIL_REDIS_URL, name: env.FLUXMAIL_NAME })
    for (const { accepted } of await queue.status()) expect(accepted).toBe(0)
  })
})
