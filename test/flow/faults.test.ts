import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { type Moment, moments, openCutter } from './faults-cutter.js'
import { content, finalReplyTimeoutMs, lockMs, openStage } from './window-stage.js'

const sizes = { '2 kB': 2_000, '2 MB': 2_000_000 } as const

/** A body of 2 kB goes out in one piece with its dot: a cut within it cannot be told from one after it. */
function isInWindow(moment: Moment, size: keyof typeof sizes): boolean {
  return moment === 'after dot' || (moment === 'mid-body' && size === '2 kB')
}

interface Cut {
  readonly moment: Moment
  /** Of the text. */
  readonly chars: number
  readonly attachment?: Buffer
}

async function cutOnce({ moment, chars, attachment }: Cut) {
  await using flow = await openMailFlow()
  await using cutter = await openCutter(flow.sink.smtpPort, moment)
  await flow.work({ relays: { main: { host: '127.0.0.1', port: cutter.port } } })
  const text = `${'0123456789'.repeat(7)}\r\n`.repeat(chars / 72)
  const attachments = attachment ? [{ filename: 'large.bin', content: attachment }] : []
  const batch = await flow.queue.enqueueBatch(rowsTo(1), { ...content, text, attachments })
  const result = await batch.wait({ intervalMs: 20 })
  expect(cutter.cut).toBe(true)
  expect(flow.sink.messages.every(({ size }) => size > chars * 0.99)).toBe(true)
  return { ...result, copies: flow.sink.messages.length }
}

const once = { sent: 1, unknown: 0, failed: 0, pending: 0, copies: 1 }

describe.each(Object.keys(sizes) as (keyof typeof sizes)[])('a body of %s', (size) => {
  const chars = sizes[size]
  const safe = moments.filter((moment) => moment !== 'mid-body' && !isInWindow(moment, size))

  test.each(safe)('cut at %s is delivered all the same, once', async (moment) => {
    expect(await cutOnce({ moment, chars })).toMatchObject(once)
  })

  test.each(moments.filter((moment) => isInWindow(moment, size)))(
    'cut at %s is unknown under hold, and not sent again',
    async (moment) => {
      const { copies, ...result } = await cutOnce({ moment, chars })
      expect(result).toMatchObject({ sent: 0, unknown: 1, failed: 0, pending: 0 })
      expect(copies).toBe(moment === 'after dot' ? 1 : 0)
    },
  )
})

test('a body of 2 MB cut in its middle is repeated, or unknown where the system had taken all of it already', async () => {
  const { sent, unknown, copies } = await cutOnce({ moment: 'mid-body', chars: 2_000_000 })
  expect({ ended: sent + unknown, copies }).toEqual({ ended: 1, copies: sent })
})

test('a body larger than what the system takes ahead is repeated when it was cut in its middle', async () => {
  expect(
    await cutOnce({ moment: 'mid-body', chars: 72, attachment: Buffer.alloc(15_000_000, 1) }),
  ).toMatchObject(once)
}, 60_000)

test('a worker whose clock is an hour ahead and one that is right share a batch: one copy each, and nothing expires', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow } = stage
  await using _ahead = await stage.work('hour ahead')
  await using _right = await stage.work()
  const address = (index: number) => `${index % 10 ? '' : 'defer-1-'}r${index}@example.com`
  const batch = await flow.queue.enqueueBatch(rowsTo(300, address), content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 300, failed: 0, unknown: 0, pending: 0 })
  expect([...flow.sink.copies().values()]).toEqual(Array.from({ length: 300 }, () => 1))
}, 60_000)

test('a worker an hour ahead waits like any other until an earlier attempt can no longer be alive', async () => {
  await using stage = await openStage({ unknown: 'resend' })
  const { flow } = stage
  await using first = await stage.work()
  const whole = stage.at('whole', () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rowsTo(1), content)
  await whole
  await using _ahead = await stage.work('hour ahead')
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, failed: 0, pending: 0 })
  const [one, two] = flow.sink.messages.map(({ receivedAt }) => receivedAt)
  expect((two ?? 0) - (one ?? 0)).toBeGreaterThanOrEqual(finalReplyTimeoutMs + lockMs - 100)
}, 60_000)

test('a worker whose render blocked it for longer than its lock sends nothing when another has taken over', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow } = stage
  await using other = await stage.work()
  other.signal('SIGSTOP')
  let blocked = false
  const now = () => {
    // The date of the message is asked for while it is rendered.
    if (!blocked && new Error().stack?.includes('render')) {
      blocked = true
      other.signal('SIGCONT')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * lockMs)
    }
    return systemClock.now()
  }
  const slow = await flow.work({ clock: { ...systemClock, now }, lockMs, logLevel: 'silent' })
  await flow.queue.enqueueBatch(rowsTo(1), content, { batchId: 'b' })
  await eventually('it was blocked', () => blocked)
  const batch = flow.queue.batch('b')
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, unknown: 0, failed: 0, pending: 0 })
  await eventually('the slow one has been told', async () =>
    /outcome="held".*} 1$/m.test(await slow.metrics.expose()),
  )
  expect([...flow.sink.copies().values()]).toEqual([1])
}, 60_000)
