import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../src/clock.js'
import {
  type BulkMessages,
  type BulkOptions,
  type BulkResult,
  BulkSender,
  type EmailFields,
  FluxMail,
  FluxMailError,
  type FluxMailOptions,
} from '../src/index.js'
import type { NowSender } from '../src/send-now.js'
import { openSink, type Sink, type SinkOptions } from '../src/sink/sink.js'
import type { Lease } from '../src/smtp/relays.js'
import { openScriptedRelay, type Script, type ScriptedRelay } from './smtp/scripted-relay.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function mailTo(port: number, options: Partial<FluxMailOptions> = {}): FluxMail {
  const mail = new FluxMail({
    host: '127.0.0.1',
    port,
    sender: 'shop@example.com',
    logLevel: 'silent',
    ...options,
  })
  closers.push(() => mail.close())
  return mail
}

async function toSink(
  sinkOptions: SinkOptions = {},
  options: Partial<FluxMailOptions> = {},
): Promise<{ bulk: BulkSender; mail: FluxMail; sink: Sink }> {
  const sink = await openSink({ httpPort: false, ...sinkOptions })
  closers.push(() => sink.close())
  const mail = mailTo(sink.smtpPort, options)
  return { bulk: new BulkSender(mail), mail, sink }
}

async function toRelay(
  script: Script,
  options: Partial<FluxMailOptions> = {},
): Promise<{ bulk: BulkSender; mail: FluxMail; relay: ScriptedRelay }> {
  const relay = await openScriptedRelay(script)
  closers.push(() => relay[Symbol.asyncDispose]())
  const mail = mailTo(relay.port, options)
  return { bulk: new BulkSender(mail), mail, relay }
}

const fields = (to: string): EmailFields => ({ subject: `For ${to}`, body: 'Hello', recipients: [to] })
const address = (index: number) => `r${index}@example.com`
const many = (count: number): EmailFields[] =>
  Array.from({ length: count }, (_, index) => fields(address(index)))

async function failure(promise: Promise<unknown>): Promise<FluxMailError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(FluxMailError)
  return thrown as FluxMailError
}

/** Whom the bodies that a scripted relay took were for, by their Subject. */
const subjects = (relay: ScriptedRelay) =>
  relay.bodies.map((body) => /^Subject: (.*)$/m.exec(body)?.[1]?.trim())
const onceEach = (count: number) => many(count).map(({ subject }) => subject)

describe('a batch', () => {
  test('counts what was sent and what failed, and says which and why', async () => {
    const { bulk, mail, sink } = await toSink()
    const result = await bulk.sendBatch([
      fields('a@example.com'),
      fields('not an address'),
      mail.create(fields('b@example.com')),
      fields('reject-x@example.com'),
      { subject: 'Two', body: 'Hello', recipients: ['c@example.com', 'reject-y@example.com'] },
      fields('d@example.com'),
    ])
    expect(result).toEqual({ sent: 3, failed: 3, total: 6, errors: expect.any(Array) })
    expect(result.errors.map(([index, { code }]) => [index, code])).toEqual([
      [1, 'invalid_email'],
      [3, 'send_failed'],
      [4, 'send_failed'],
    ])
    expect(result.errors[2]?.[1].details).toMatchObject({
      accepted: ['c@example.com'],
      rejected: [{ recipient: 'reject-y@example.com', code: 550 }],
    })
    expect([...sink.copies().keys()].sort()).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => `${name}@example.com`),
    )
  })

  test('of nothing is nothing', async () => {
    const { bulk, sink } = await toSink()
    expect(await bulk.sendBatch([])).toEqual({ sent: 0, failed: 0, total: 0, errors: [] })
    expect(sink.connections).toBe(0)
  })

  test('uses several connections and keeps them', async () => {
    const { bulk, sink } = await toSink({ latencyMs: 5 }, { maxConnections: 4 })
    await bulk.sendBatch(many(60))
    await bulk.sendBatch(many(60))
    expect(sink.messages).toHaveLength(120)
    expect(sink.connections).toBe(4)
  })

  test('is read from generators of either kind, and from a Set', async () => {
    const { bulk, sink } = await toSink()
    async function* slowly() {
      for (const each of many(20)) yield Promise.resolve(each)
    }
    function* quickly() {
      yield* many(20)
    }
    expect((await bulk.sendBatch(slowly())).sent).toBe(20)
    expect((await bulk.sendBatch(quickly())).sent).toBe(20)
    expect((await bulk.sendBatch(new Set(many(20)))).sent).toBe(20)
    expect(sink.messages).toHaveLength(60)
  })

  test('is never read further ahead than it is sent', async () => {
    const { bulk, relay } = await toRelay({ answerBody: () => '' })
    let read = 0
    let closed = false
    function* source() {
      try {
        for (const each of many(1000)) {
          read += 1
          yield each
        }
      } finally {
        closed = true
      }
    }
    const abort = new AbortController()
    const sending = bulk.sendBatch(source(), { concurrency: 3, signal: abort.signal })
    await expect.poll(() => relay.bodies.length).toBe(3)
    expect(read).toBe(3)
    abort.abort()
    await relay[Symbol.asyncDispose]()
    expect((await sending).total).toBe(3)
    expect(closed).toBe(true)
  })

  test('asks an iterator for one message at a time', async () => {
    const { bulk } = await toSink()
    let asked = 0
    let left = 30
    const iterator: AsyncIterator<EmailFields> = {
      async next() {
        asked += 1
        expect(asked).toBe(1)
        await sleep(1)
        asked -= 1
        return left-- > 0 ? { done: false, value: fields('a@example.com') } : { done: true, value: undefined }
      },
    }
    const result = await bulk.sendBatch({ [Symbol.asyncIterator]: () => iterator })
    expect(result).toMatchObject({ sent: 30, failed: 0 })
  })

  test('sent twice at once by one sender mixes nothing up', async () => {
    const { bulk, sink } = await toSink()
    const [first, second] = await Promise.all([bulk.sendBatch(many(50)), bulk.sendBatch(many(30))])
    expect([first.sent, second.sent]).toEqual([50, 30])
    expect(sink.messages).toHaveLength(80)
  })
})

describe('a relay that closes its connections', () => {
  test('with 421 after every seven messages loses and repeats none', async () => {
    const { bulk, sink } = await toSink({ maxMessagesPerConnection: 7 })
    expect(await bulk.sendBatch(many(200))).toEqual({ sent: 200, failed: 0, total: 200, errors: [] })
    expect(sink.copies().size).toBe(200)
    expect(new Set(sink.copies().values())).toEqual(new Set([1]))
    expect(sink.connections).toBeGreaterThanOrEqual(Math.ceil(200 / 7))
  })

  for (const where of ['250', 'MAIL', 'RCPT', 'DATA'] as const) {
    for (const pipelining of ['nothing', 'envelopes', 'messages'] as const) {
      test(`without a word at ${where} after seven messages loses and repeats none (pipelining ${pipelining})`, async () => {
        const taken = new Map<number, number>()
        const pipelineMessages = pipelining === 'messages'
        const script: Script = {
          capabilities: pipelining === 'nothing' ? [] : ['PIPELINING'],
          answer: (command, { index, hangUp }) => {
            if (!command.startsWith(where) || (taken.get(index) ?? 0) < 7) return undefined
            hangUp()
            return ''
          },
          answerBody: (_, { index, socket }) => {
            const count = (taken.get(index) ?? 0) + 1
            taken.set(index, count)
            if (where !== '250' || count < 7) return undefined
            socket.end('250 taken\r\n')
            return ''
          },
        }
        const { bulk, relay } = await toRelay(
          script,
          pipelineMessages ? { pipelineMessages, maxConnections: 2 } : {},
        )
        expect(await bulk.sendBatch(many(200))).toEqual({ sent: 200, failed: 0, total: 200, errors: [] })
        expect(subjects(relay).sort()).toEqual(onceEach(200).sort())
        expect(relay.connections).toBeGreaterThan(20)
      })
    }
  }

  for (const where of ['MAIL', 'RCPT', 'DATA'] as const) {
    test(`with 421 to ${where} on new connections too loses and repeats none`, async () => {
      let refusals = 0
      const { bulk, relay } = await toRelay({
        answer: (command, { index, socket }) => {
          if (!command.startsWith(where) || index % 3 !== 0) return undefined
          refusals += 1
          socket.end('421 4.3.2 going down\r\n')
          return ''
        },
      })
      expect(await bulk.sendBatch(many(60))).toMatchObject({ sent: 60, failed: 0 })
      expect(subjects(relay).sort()).toEqual(onceEach(60).sort())
      expect(refusals).toBeGreaterThan(0)
    })
  }

  test('under one message every time fails that one after a while, and none beside it', async () => {
    const { bulk, sink } = await toSink({}, { maxConnections: 3 })
    const messages = many(60)
    messages[20] = fields('cut-x@example.com')
    const result = await bulk.sendBatch(messages)
    expect(result).toMatchObject({ sent: 59, failed: 1 })
    expect(result.errors[0]?.[0]).toBe(20)
    expect(result.errors[0]?.[1].details).toMatchObject({ maybeSent: false, attempts: 7 })
    expect(new Set(sink.copies().values())).toEqual(new Set([1]))
  })

  test('after the final dot has its message counted as failed, and never sent again', async () => {
    const { bulk, sink } = await toSink({}, { maxRetries: 3, retryDelayMs: 1 })
    const messages = many(30)
    messages[3] = fields('lost-x@example.com')
    messages[17] = fields('lost-y@example.com')
    const result = await bulk.sendBatch(messages)
    expect(result).toMatchObject({ sent: 28, failed: 2 })
    for (const [, error] of result.errors)
      expect(error.details).toMatchObject({ maybeSent: true, attempts: 1 })
    expect(sink.messages).toHaveLength(30)
  })

  test('and is back soon has every message once', async () => {
    const script: Script = { answerBody: () => undefined }
    const first = await openScriptedRelay(script)
    const { port } = first
    const bulk = new BulkSender(mailTo(port, { maxConnections: 3 }))
    const done: number[] = []
    const sending = bulk.sendBatch(many(100), {
      maxPerSecond: 200,
      onSuccess: (index) => void done.push(index),
    })
    await expect.poll(() => done.length).toBeGreaterThan(20)
    // What the relay took and could not answer for any more is the one thing that may not be sent again.
    await first[Symbol.asyncDispose]()
    await sleep(300)
    await using second = await openScriptedRelay(script, port)
    const result = await sending
    const maybe = result.errors.map(([index, error]) => {
      expect(error.details).toMatchObject({ maybeSent: true })
      return index
    })
    expect(result.sent + maybe.length).toBe(100)
    expect(maybe.length).toBeLessThanOrEqual(3)
    const arrived = [...subjects(first), ...subjects(second)]
    expect(new Set(arrived).size).toBe(arrived.length)
    expect(second.bodies.length).toBeGreaterThan(30)
  })
})

describe('a relay that is gone', () => {
  test('in the middle of a batch is waited for as long as was said, and then the rest fails at once', async () => {
    const { bulk, relay } = await toRelay({}, { maxConnections: 3 })
    const sending = bulk.sendBatch(many(2000), {
      maxOutageMs: 300,
      onSuccess: async (index) => {
        if (index === 50) await relay[Symbol.asyncDispose]()
      },
    })
    const result = await sending
    expect(result.total).toBe(2000)
    const maybe = result.errors.filter(([, { details }]) => details.maybeSent).length
    expect(relay.bodies.length).toBeGreaterThanOrEqual(result.sent)
    expect(relay.bodies.length).toBeLessThanOrEqual(result.sent + maybe)
    expect(result.sent).toBeGreaterThanOrEqual(50)
    expect(result.errors.at(-1)?.[1].message).toContain('ECONNREFUSED')
  })

  test('from the start is not waited for, and not asked for each message', async () => {
    const bulk = new BulkSender(mailTo(1))
    const startedAt = performance.now()
    const result = await bulk.sendBatch(many(2000))
    expect(result).toMatchObject({ sent: 0, failed: 2000, total: 2000 })
    expect(performance.now() - startedAt).toBeLessThan(8_000)
  })

  test('is asked again by one message every five seconds, and the others wait for what it hears', async () => {
    let away = true
    let ahead = 0
    const { bulk, relay } = await toRelay(
      { greet: () => (away ? '554 5.3.2 not now' : '220 ready') },
      { maxConnections: 4, clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + ahead } },
    )
    const connects: number[] = []
    function* source() {
      yield* many(100)
      connects.push(relay.connections)
      ahead += 5_000
      yield* many(100)
      connects.push(relay.connections)
      away = false
      ahead += 5_000
      yield* many(100)
    }
    expect(await bulk.sendBatch(source())).toMatchObject({ sent: 100, failed: 200 })
    expect(connects).toEqual([4, 5])
    expect(relay.bodies).toHaveLength(100)
  })

  test('and back by the next batch costs none of its messages', async () => {
    let away = true
    const { bulk, relay } = await toRelay({ greet: () => (away ? '554 5.3.2 not now' : '220 ready') })
    expect(await bulk.sendBatch(many(50))).toMatchObject({ sent: 0, failed: 50 })
    away = false
    expect(await bulk.sendBatch(many(50))).toMatchObject({ sent: 50, failed: 0 })
    expect(relay.bodies).toHaveLength(50)
  })

  test('because it refuses the login is not asked for each message', async () => {
    const { bulk, sink } = await toSink(
      { auth: { username: 'ada', password: 'right' } },
      { username: 'ada', password: 'wrong', maxConnections: 2, maxRetries: 3, retryDelayMs: 1 },
    )
    const result = await bulk.sendBatch(many(500))
    expect(result).toMatchObject({ sent: 0, failed: 500 })
    expect(sink.connections).toBeLessThanOrEqual(4)
    expect(result.errors[499]?.[1].details).toMatchObject({ reply: { code: 535 } })
  })
})

describe('callbacks', () => {
  test('hear of each message by its index, and are waited for', async () => {
    const { bulk } = await toSink()
    const heard: string[] = []
    const messages = many(20)
    messages[4] = fields('reject-x@example.com')
    await bulk.sendBatch(messages, {
      onSuccess: async (index, result) => {
        await sleep(1)
        heard.push(`${index} ${result.accepted.join()}`)
      },
      onError: async (index, error) => {
        await sleep(1)
        heard.push(`${index} ${error.code}`)
      },
    })
    const expected = messages.map((_, index) => `${index} ${index === 4 ? 'send_failed' : address(index)}`)
    expect(heard.sort()).toEqual(expected.sort())
  })

  const complain = () => {
    throw new Error('callback')
  }
  const reject = async () => complain()
  for (const [how, callback] of [
    ['throw', complain],
    ['reject', reject],
  ] as const) {
    test(`that ${how} change no count, stop nothing, and are reported once`, async () => {
      const { bulk, sink } = await toSink()
      const messages = many(40)
      messages[7] = fields('reject-x@example.com')
      messages[8] = fields('reject-y@example.com')
      const options: BulkOptions = { onSuccess: callback, onError: callback, progress: callback }
      const { callbackError, ...result } = await bulk.sendBatch(messages, options)
      expect(result).toEqual({ sent: 38, failed: 2, total: 40, errors: expect.any(Array) })
      expect(result.errors.map(([index]) => index)).toEqual([7, 8])
      expect(callbackError).toMatchObject({
        code: 'callback_failed',
        details: { count: 80 },
        cause: expect.objectContaining({ message: 'callback' }),
      })
      expect(new Set(sink.copies().values())).toEqual(new Set([1]))
    })
  }

  test('hear of the progress: how many were sent, how many failed, of how many', async () => {
    const { bulk } = await toSink()
    const seen: unknown[] = []
    await bulk.sendBatch([fields('a@example.com'), fields('bad')], {
      concurrency: 1,
      progress: (progress) => void seen.push(progress),
    })
    expect(seen).toEqual([
      { sent: 1, failed: 0, total: 2 },
      { sent: 1, failed: 1, total: 2 },
    ])
  })
})

describe('the bar', () => {
  async function written(isTTY: boolean, messages: BulkMessages): Promise<string> {
    const { bulk } = await toSink({ latencyMs: 120 })
    const before = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY')
    Object.defineProperty(process.stderr, 'isTTY', { value: isTTY, configurable: true })
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      await bulk.sendBatch(messages, { progress: true, concurrency: 2 })
      return write.mock.calls.map(([text]) => String(text)).join('')
    } finally {
      write.mockRestore()
      if (before) Object.defineProperty(process.stderr, 'isTTY', before)
      else Reflect.deleteProperty(process.stderr, 'isTTY')
    }
  }

  test('has rate and ETA on a terminal', async () => {
    expect(await written(true, many(8))).toMatch(/sending.*messages.*\/s.*ETA/)
  })

  test('knows no end of a generator', async () => {
    const text = await written(true, many(8).values())
    expect(text).toMatch(/sending.*[1-9] messages.*\/s/)
    expect(text).not.toMatch(/ETA|%/)
  })

  test('is not there where there is no terminal', async () => {
    expect(await written(false, many(8))).toBe('')
  })
})

describe('maxPerSecond', () => {
  async function takesMs(work: () => Promise<unknown>): Promise<number> {
    const startedAt = performance.now()
    await work()
    return performance.now() - startedAt
  }

  test('holds from one batch to the next and over batches at the same time', async () => {
    const { bulk, sink } = await toSink()
    const batch = () => bulk.sendBatch(many(10), { maxPerSecond: 50 })
    const ms = await takesMs(async () => {
      await batch()
      await Promise.all([batch(), batch(), batch()])
    })
    expect(sink.messages).toHaveLength(40)
    expect(ms).toBeGreaterThan((39 * 1000) / 50 - 5)
    expect(ms).toBeLessThan(2_500)
  })

  test('counts what was refused, every recipient and every further try', async () => {
    const { bulk } = await toSink({}, { maxRetries: 2, retryDelayMs: 0 })
    const messages = [
      ...Array.from({ length: 5 }, (_, index) => fields(`reject-${index}@example.com`)),
      ...Array.from({ length: 5 }, (_, index) => fields(`defer-2-${index}@example.com`)),
      { subject: 'All', body: 'Hello', recipients: Array.from({ length: 10 }, (_, index) => address(index)) },
    ]
    const handedOver = 5 + 5 * 3 + 10
    const ms = await takesMs(() => bulk.sendBatch(messages, { maxPerSecond: 50 }))
    expect(ms).toBeGreaterThan(((handedOver - 1) * 1000) / 50 - 5)
  })

  test('makes no burst of a pause', async () => {
    const arrivals: number[] = []
    const { bulk } = await toRelay({
      answerBody: () => {
        arrivals.push(performance.now())
        if (arrivals.length === 10) {
          const until = performance.now() + 300
          while (performance.now() < until);
        }
        return undefined
      },
    })
    await bulk.sendBatch(many(30), { maxPerSecond: 60 })
    const [first = 0] = arrivals
    expect((arrivals.at(-1) ?? 0) - first).toBeGreaterThan(((29 - 3) * 1000) / 60 + 280)
  })

  test('is reached also where it is high', async () => {
    const { bulk } = await toSink()
    const ms = await takesMs(() => bulk.sendBatch(many(300), { maxPerSecond: 300 }))
    expect(ms).toBeGreaterThan(970)
    expect(ms).toBeLessThan(2_000)
  })

  test('that is low holds up neither an aborted batch nor one that goes on without it', async () => {
    const { bulk, sink } = await toSink()
    const abort = new AbortController()
    const slow = bulk.sendBatch(many(20), { maxPerSecond: 0.01, signal: abort.signal })
    const quick = bulk.sendBatch(many(20))
    await sink.waitForMessages(1)
    const ms = await takesMs(async () => {
      abort.abort()
      expect((await slow).aborted).toBe(true)
      expect((await quick).failed).toBe(0)
    })
    expect(ms).toBeLessThan(5_000)
  })

  test('of zero is no limit, and a limit ends with its batch', async () => {
    const { bulk } = await toSink()
    await bulk.sendBatch(many(2), { maxPerSecond: 20 })
    expect(await takesMs(() => bulk.sendBatch(many(100), { maxPerSecond: 0 }))).toBeLessThan(2_000)
  })
})

describe('the ratePerSecond of the FluxMail', () => {
  test('holds for all its BulkSenders together, and a lower maxPerSecond beside it', async () => {
    const { mail, sink } = await toSink({}, { ratePerSecond: 50 })
    const startedAt = performance.now()
    const batch = (options: BulkOptions = {}) => new BulkSender(mail).sendBatch(many(15), options)
    await Promise.all([batch(), batch({ maxPerSecond: 1_000 })])
    const ms = performance.now() - startedAt
    expect(sink.messages).toHaveLength(30)
    expect(ms).toBeGreaterThan((29 * 1000) / 50 - 5)
    expect(ms).toBeLessThan(2_500)
    const slowAt = performance.now()
    await new BulkSender(mail).sendBatch(many(5), { maxPerSecond: 10 })
    expect(performance.now() - slowAt).toBeGreaterThan(395)
  })

  test('holds up no single send', async () => {
    const { mail, sink } = await toSink({}, { ratePerSecond: 0.01 })
    for (const each of many(3)) await mail.send(each)
    expect(sink.messages).toHaveLength(3)
  })
})

describe('an end before the end', () => {
  test('when the messages throw rejects, and says what had become of those before', async () => {
    const { bulk, sink } = await toSink()
    const cause = new Error('the database went away')
    function* source() {
      yield* many(12)
      yield fields('reject-x@example.com')
      throw cause
    }
    const error = await failure(bulk.sendBatch(source()))
    expect(error).toMatchObject({ code: 'invalid_params', cause })
    expect(error.message).toContain('the database went away')
    const result = error.details.result as BulkResult
    expect(result).toMatchObject({ sent: 12, failed: 1, total: 13 })
    expect(result.errors[0]?.[0]).toBe(12)
    expect(sink.messages).toHaveLength(12)
  })

  test('by its signal stops the reading, finishes what is on the wire and fails what waits', async () => {
    const { bulk, sink } = await toSink({ latencyMs: 200 }, { maxConnections: 2 })
    const abort = new AbortController()
    let read = 0
    function* source() {
      for (const each of many(100)) {
        read += 1
        yield each
      }
    }
    const sending = bulk.sendBatch(source(), { concurrency: 5, signal: abort.signal })
    await sink.waitForMessages(2)
    abort.abort(new Error('enough'))
    const result = await sending
    expect(result).toMatchObject({ sent: 2, failed: 3, total: 5, aborted: true })
    expect(read).toBe(5)
    expect(sink.messages).toHaveLength(2)
    for (const [, error] of result.errors) {
      expect(error).toMatchObject({ code: 'send_failed', details: { maybeSent: false } })
      expect(error.message).toContain('enough')
    }
  })

  test('by its signal does not wait for a source that hangs', async () => {
    const { bulk } = await toSink()
    const abort = new AbortController()
    async function* source() {
      yield* many(3)
      await new Promise(() => undefined)
    }
    const onSuccess = (index: number) => {
      if (index === 2) abort.abort()
    }
    const result = await bulk.sendBatch(source(), { signal: abort.signal, onSuccess, concurrency: 1 })
    expect(result).toEqual({ sent: 3, failed: 0, total: 3, errors: [], aborted: true })
  })

  test('by its signal comes through also where every message is refused before the wire', async () => {
    const { bulk } = await toSink()
    function* source() {
      for (;;) yield fields('bad')
    }
    const abort = new AbortController()
    const progress = ({ failed }: { failed: number }) => {
      if (failed === 50) setTimeout(() => abort.abort(), 0)
    }
    const result = await bulk.sendBatch(source(), { signal: abort.signal, maxErrors: 10, progress })
    expect(result.aborted).toBe(true)
    expect(result.failed).toBeGreaterThanOrEqual(50)
    expect(result.errors).toHaveLength(10)
  })

  test('by a signal that was aborted before reads nothing', async () => {
    const { bulk, sink } = await toSink()
    const result = await bulk.sendBatch(many(3), { signal: AbortSignal.abort() })
    expect(result).toEqual({ sent: 0, failed: 0, total: 0, errors: [], aborted: true })
    expect(sink.connections).toBe(0)
  })

  test('by closing the mailer rejects, and says what had become of those before', async () => {
    const { bulk, mail, relay } = await toRelay({ answerBody: () => '' }, { maxConnections: 2 })
    const failing = failure(bulk.sendBatch(many(50)))
    await expect.poll(() => relay.bodies.length).toBe(2)
    await mail.close()
    const error = await failing
    expect(error).toMatchObject({ code: 'closed', details: { result: { sent: 0, failed: 2, total: 2 } } })
    expect((await failure(bulk.sendBatch(many(2)))).code).toBe('closed')
  })
})

describe('what is refused', () => {
  test('is a sender of nothing, and a batch of nothing to iterate', async () => {
    for (const mail of [undefined, null, {}, 'mail'])
      expect(() => new BulkSender(mail as never)).toThrow(expect.objectContaining({ code: 'invalid_params' }))
    const { bulk } = await toSink()
    for (const messages of [undefined, null, 5, {}, 'text'])
      expect((await failure(bulk.sendBatch(messages as never))).code).toBe('invalid_params')
  })

  test('are options that are none', async () => {
    const { bulk, sink } = await toSink()
    for (const options of [
      null,
      { maxPerSecond: -1 },
      { maxPerSecond: Number.NaN },
      { concurrency: 0 },
      { concurrency: 1.5 },
      { concurrency: 1e9 },
      { onSuccess: 'yes' },
      { progress: 5 },
      { signal: {} },
      { onsuccess: () => undefined },
    ]) {
      const error = await failure(bulk.sendBatch(many(1), options as never))
      expect(error.code).toBe('invalid_params')
      const [name] = Object.keys(options ?? {})
      if (name) expect(error.message).toContain(name)
    }
    expect(sink.connections).toBe(0)
  })

  test('is Outlook, which sends nothing by itself', async () => {
    const bulk = new BulkSender(new FluxMail({ objectType: 'outlook' }))
    expect((await failure(bulk.sendBatch(many(1)))).code).toBe('outlook_no_send')
  })

  test('is what is no message, one by one', async () => {
    const { bulk } = await toSink()
    const throwing = {
      get subject(): string {
        throw new Error('getter')
      },
    }
    const messages = [undefined, null, 5, 'text', {}, throwing, fields('a@example.com')]
    const result = await bulk.sendBatch(messages as never)
    expect(result).toMatchObject({ sent: 1, failed: 6 })
    for (const [, error] of result.errors) expect(error).toBeInstanceOf(FluxMailError)
  })
})

describe('what cannot be waited for', () => {
  test('is a source that aborts the signal inside next()', async () => {
    const { bulk } = await toSink()
    const abort = new AbortController()
    async function* source() {
      yield fields('a@example.com')
      abort.abort()
      await new Promise(() => undefined)
    }
    const result = await bulk.sendBatch(source(), { signal: abort.signal, concurrency: 1 })
    expect(result).toEqual({ sent: 1, failed: 0, total: 1, errors: [], aborted: true })
  })

  test('is a source that closes the mailer inside next()', async () => {
    const { bulk, mail } = await toSink()
    async function* source() {
      yield fields('a@example.com')
      void mail.close()
      await new Promise(() => undefined)
    }
    expect((await failure(bulk.sendBatch(source(), { concurrency: 1 }))).code).toBe('closed')
  })

  test('is a callback that never settles, once the batch has been ended', async () => {
    const { bulk } = await toSink()
    const abort = new AbortController()
    const onSuccess = () => {
      abort.abort()
      return new Promise(() => undefined)
    }
    const { callbackError, ...result } = await bulk.sendBatch(many(1), { signal: abort.signal, onSuccess })
    expect(result).toEqual({ sent: 1, failed: 0, total: 1, errors: [], aborted: true })
    expect(callbackError).toMatchObject({
      code: 'callback_failed',
      details: { count: 1, callback: 'onSuccess' },
    })
  })

  test('and a callback that ends soon after the batch has not failed', async () => {
    const { bulk } = await toSink()
    const abort = new AbortController()
    let done = false
    const onSuccess = async () => {
      abort.abort()
      await sleep(50)
      done = true
    }
    expect(await bulk.sendBatch(many(1), { signal: abort.signal, onSuccess })).not.toHaveProperty(
      'callbackError',
    )
    expect(done).toBe(true)
  })

  test('is an iterator whose return() never resolves', async () => {
    const { bulk } = await toSink()
    const abort = new AbortController()
    const iterator = {
      next: async () => ({ done: false as const, value: fields('a@example.com') }),
      return: () => new Promise<never>(() => undefined),
    }
    const onSuccess = () => abort.abort()
    const messages = { [Symbol.asyncIterator]: () => iterator }
    expect(await bulk.sendBatch(messages, { signal: abort.signal, onSuccess })).toMatchObject({
      aborted: true,
    })
  })

  test('is an iterator whose next() gives nothing to go by', async () => {
    const { bulk } = await toSink()
    for (const [iterator, words] of [
      [{ next: () => 5 }, /next\(\) of the iterator gave a number/],
      [{}, /must be an array or another iterable/],
    ] as const) {
      const error = await failure(bulk.sendBatch({ [Symbol.iterator]: () => iterator } as never))
      expect(error).toMatchObject({ code: 'invalid_params', message: expect.stringMatching(words) })
    }
  })
})

describe('a relay that takes no connection yet', () => {
  test.each<[string, Script['greet']]>([
    ['says 421', ({ index }) => (index < 10 ? '421 4.3.2 busy' : '220 ready')],
    [
      'resets',
      ({ index, socket }) => {
        if (index >= 10) return '220 ready'
        socket.resetAndDestroy()
        return ''
      },
    ],
    [
      'closes',
      ({ index, hangUp }) => {
        if (index >= 10) return '220 ready'
        hangUp()
        return ''
      },
    ],
  ])('and %s is waited for', async (_, greet) => {
    const { bulk } = await toRelay(greet ? { greet } : {})
    expect(await bulk.sendBatch(many(200))).toMatchObject({ sent: 200, failed: 0 })
  })

  test('is waited for as long as was said', async () => {
    const { bulk } = await toRelay({ greet: () => '421 4.3.2 busy' })
    const startedAt = performance.now()
    const { errors } = await bulk.sendBatch(many(20), { maxOutageMs: 300 })
    expect(performance.now() - startedAt).toBeGreaterThan(250)
    expect(errors).toHaveLength(20)
    expect(errors[0]?.[1].details).toMatchObject({ stage: 'greeting', reply: { code: 421 } })
  })
})

test('a message of an ended batch that never left says so, so that it can be sent again', async () => {
  const { bulk, sink } = await toSink({ latencyMs: 200 }, { maxConnections: 1 })
  const abort = new AbortController()
  const sending = bulk.sendBatch(many(3), { concurrency: 3, signal: abort.signal })
  await sink.waitForMessages(1)
  abort.abort()
  const { errors } = await sending
  expect(errors).toHaveLength(2)
  for (const [, { details }] of errors)
    expect(details).toMatchObject({ code: 'ABORTED', attempts: 0, maybeSent: false, rejected: [{ code: 0 }] })
})

test('an email to very many recipients has the most tries of any as its attempts', async () => {
  const { sendNow } = await import('../src/send-now.js')
  const mail = new FluxMail({ host: '127.0.0.1', port: 1, sender: 'shop@example.com', logLevel: 'silent' })
  const email = mail.create(fields('a@example.com'))
  const recipients = Array.from({ length: 200_000 }, () => ({ address: 'a@example.com' }))
  const lease: Lease = {
    relay: 'relay',
    transmit: async () => ({ kind: 'accepted', response: '250 ok' }),
    release: () => undefined,
  }
  const { signal } = new AbortController()
  const sender: NowSender = {
    host: '127.0.0.1',
    port: 1,
    maxConnections: 1,
    clock: systemClock,
    maxRetries: 0,
    retryDelayMs: 0,
    closing: signal,
    acquire: async () => ({ kind: 'lease', lease }),
    retrying: () => undefined,
  }
  const many = { parts: email.parts, messageId: email.messageId, recipients } as never
  const result = await sendNow(sender, many, Buffer.from(''), { signal, hangUp: signal, allowPartial: false })
  expect(result.attempts).toBe(1)
})

test('the bar leaves its line to what callbacks print, and is there again afterwards', async () => {
  const { bulk } = await toSink()
  const before = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY')
  Object.defineProperty(process.stderr, 'isTTY', { value: true, configurable: true })
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    await bulk.sendBatch([fields('bad')], {
      progress: true,
      onError: async () => {
        process.stderr.write('failed\n')
        await sleep(400)
      },
    })
    const text = write.mock.calls.map(([written]) => String(written)).join('|')
    expect(text).toContain('sending')
    // Nothing is drawn while the callback runs: the line is cleared, written to, and then the bar is back.
    expect(text).toContain('\r\u001b[2K|failed\n|\r\u001b[2Ksending')
  } finally {
    write.mockRestore()
    if (before) Object.defineProperty(process.stderr, 'isTTY', before)
    else Reflect.deleteProperty(process.stderr, 'isTTY')
  }
})
