import { Redis } from 'ioredis'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { widthOf } from '../../src/terminal/text.js'
import { isGone, startCommand } from './process.js'

const workerPid = async (command: ReturnType<typeof startCommand>) =>
  Number((await command.says(/worker {2}process (\d+)/))[1])

describe('demo', () => {
  test('a thousand rows are all accounted for, by line, in the table and in its last line', {
    timeout: 60_000,
  }, async () => {
    const command = startCommand(['demo', '--json'])
    const pid = await workerPid(command)
    expect(await command.exited, command.stderr).toBe(0)
    expect(command.stderr).toMatch(
      /2 rows of recipients\.csv cannot be sent to:\n {2}line 377: .*\n {2}line 649: .*\n/,
    )
    expect(command.stderr).toMatch(/sent +988\n +failed by reply +10 {2}10 × 550 5\.1\.1\n/)
    expect(command.stderr).toMatch(/deferred and then sent +20 {2}after 30 replies 451\n/)
    expect(command.stderr).toContain('Every count agrees with what the server recorded.')
    for (const line of command.stderr.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
    const { seconds, perSecond, connections, ...counts } = JSON.parse(command.stdout) as Record<
      string,
      number
    >
    expect(counts).toEqual({
      total: 998,
      sent: 988,
      failed: 10,
      rejectedRows: 2,
      copies: { '0': 10, '1': 988, more: 0 },
    })
    expect(seconds).toBeGreaterThan(0)
    expect(perSecond).toBeCloseTo(988 / (seconds ?? 1), 0)
    expect(connections).toBeGreaterThan(0)
    expect(connections).toBeLessThan(100)
    await isGone(pid)
  })

  test('with --stay the inbox is open until Ctrl-C; a Redis that was named is used, and left as it was', {
    timeout: 60_000,
  }, async () => {
    const redis = new Redis(inject('redisUrl'))
    onTestFinished(() => redis.disconnect())
    const command = startCommand(['demo', '--stay'], { env: { FLUXMAIL_REDIS_URL: inject('redisUrl') } })
    const pid = await workerPid(command)
    const [, url = ''] = await command.says(/Look at the mails: (http:\S+)/)
    expect(await redis.keys('*fluxmail-demo-*')).not.toEqual([])
    expect(await (await fetch(url)).text()).toContain('example.com')
    command.signal('SIGINT')
    expect(await command.exited).toBe(0)
    await isGone(pid)
    expect(await redis.keys('*fluxmail-demo-*')).toEqual([])
  })

  test('Ctrl-C in the middle ends it with 130 and nothing left behind', { timeout: 60_000 }, async () => {
    const command = startCommand(['demo'])
    const pid = await workerPid(command)
    command.signal('SIGINT')
    expect(await command.exited).toBe(130)
    await isGone(pid)
  })

  test('a kill -9 takes its worker along', { timeout: 60_000 }, async () => {
    const command = startCommand(['demo'])
    const pid = await workerPid(command)
    command.signal('SIGKILL')
    await isGone(pid)
  })
})
