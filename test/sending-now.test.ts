import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../src/clock.js'
import { FluxMail, FluxMailError, type FluxMailOptions, type SendFailedDetails } from '../src/index.js'
import { openSink } from '../src/sink/sink.js'
import { openScriptedRelay, type Script, type ScriptedRelay, type Session } from './smtp/scripted-relay.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function scripted(
  script: Script,
  options: Partial<FluxMailOptions> = {},
): Promise<{ mail: FluxMail; relay: ScriptedRelay }> {
  const relay = await openScriptedRelay(script)
  const mail = new FluxMail({
    host: '127.0.0.1',
    port: relay.port,
    sender: 'shop@example.com',
    logLevel: 'silent',
    maxRetries: 2,
    retryDelayMs: 1,
    ...options,
  })
  closers.push(
    () => relay[Symbol.asyncDispose](),
    () => mail.close(),
  )
  return { mail, relay }
}

const fields = (...recipients: string[]) => ({ subject: 'Hi', body: 'Hello', recipients })

async function failure(promise: Promise<unknown>): Promise<FluxMailError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(FluxMailError)
  return thrown as FluxMailError
}

/** Answers the command, or the final dot for `body`, its first times in this way. */
function first(
  times: number,
  where: string,
  act: (session: Session) => string,
): Script & { count(): number } {
  let met = 0
  const meet = (session: Session) => {
    met += 1
    return met <= times ? act(session) : undefined
  }
  return {
    count: () => met,
    answer: (command, session) => (command.startsWith(where) ? meet(session) : undefined),
    ...(where === 'greet' ? { greet: (session) => meet(session) ?? '220 ready' } : {}),
    ...(where === 'body' ? { answerBody: (_, session) => meet(session) } : {}),
  }
}

const say = (reply: string) => () => reply
const hangUp = (session: Session) => {
  session.hangUp()
  return ''
}
const stages = ['MAIL', 'RCPT', 'DATA', 'body']

describe('what is transient is repeated as often as maxRetries says', () => {
  test.each(stages)('a 4yz to %s', async (where) => {
    const script = first(2, where, say('451 4.7.1 later'))
    const { mail, relay } = await scripted(script)
    expect(await mail.send(fields('a@example.com'))).toMatchObject({
      attempts: 3,
      accepted: ['a@example.com'],
    })
    expect(script.count()).toBe(3)
    expect(relay.bodies).toHaveLength(where === 'body' ? 3 : 1)
  })

  test.each(stages)('a 4yz to %s, and no oftener', async (where) => {
    const script = first(99, where, say('451 4.7.1 later'))
    const { mail } = await scripted(script)
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.details).toMatchObject({
      attempts: 3,
      maybeSent: false,
      reply: { code: 451, enhanced: '4.7.1', text: 'later' },
    })
    expect(script.count()).toBe(3)
  })

  test.each(['greet', 'EHLO', 'MAIL', 'RCPT', 'DATA'])('a connection lost at %s', async (where) => {
    const script = first(2, where, hangUp)
    const { mail, relay } = await scripted(script)
    expect(await mail.send(fields('a@example.com'))).toMatchObject({ attempts: 3 })
    expect(relay.bodies).toHaveLength(1)
    expect(relay.connections).toBe(3)
  })

  test('a connection lost in the middle of a large body, before the final dot', async () => {
    let lost = 0
    const { mail, relay } = await scripted({
      answer: (command, { socket, hangUp }) => {
        if (command === 'DATA' && lost < 2) {
          lost += 1
          socket.pause()
          setTimeout(hangUp, 20)
        }
        return undefined
      },
    })
    const body = 'A long line of it.\n'.repeat(500_000)
    expect(await mail.send({ ...fields('a@example.com'), body })).toMatchObject({ attempts: 3 })
    expect(relay.bodies).toHaveLength(1)
  })

  test('a login that cannot be had now', async () => {
    const script = first(1, 'AUTH', say('454 4.7.0 temporary authentication failure'))
    const { mail } = await scripted(
      {
        capabilities: ['AUTH PLAIN'],
        answer: (command, session) =>
          script.answer?.(command, session) ?? (/^AUTH/.test(command) ? '235 welcome' : undefined),
      },
      { username: 'ada', password: 'x' },
    )
    expect(await mail.send(fields('a@example.com'))).toMatchObject({ attempts: 2 })
  })

  test('for each recipient by itself', async () => {
    const tries = new Map<string, number>()
    const { mail, relay } = await scripted({
      answer: (command) => {
        if (!command.startsWith('RCPT')) return undefined
        const count = (tries.get(command) ?? 0) + 1
        tries.set(command, count)
        if (command.includes('never@')) return '450 4.2.0 busy'
        return command.includes('later@') && count < 3 ? '450 4.2.0 busy' : undefined
      },
    })
    const recipients = ['now@example.com', 'later@example.com', 'never@example.com']
    const error = await failure(mail.send(fields(...recipients)))
    expect(error.details).toMatchObject({
      accepted: ['now@example.com', 'later@example.com'],
      rejected: [{ recipient: 'never@example.com', code: 450, reply: 'busy' }],
    })
    expect([...tries.values()].sort()).toEqual([1, 3, 3])
    expect(relay.bodies).toHaveLength(2)
  })
})

describe('what would not change is tried once', () => {
  test.each(stages)('a 5yz to %s', async (where) => {
    const script = first(99, where, say('550 5.7.1 no'))
    const { mail } = await scripted(script)
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.details).toMatchObject({
      attempts: 1,
      maybeSent: false,
      reply: { code: 550, enhanced: '5.7.1' },
    })
    expect(script.count()).toBe(1)
  })

  test.each([
    ['RCPT', '552 5.2.2 mailbox full'],
    ['RCPT', '550 5.7.515 not authenticated'],
    ['MAIL', '530 5.7.0 authentication required'],
    ['greet', '554 5.7.1 not you'],
    ['EHLO', '550 5.7.1 not you'],
  ])('%s answered with %s, whatever the queue would make of it', async (where, reply) => {
    const script: Script = {
      greet: () => (where === 'greet' ? reply : '220 ready'),
      answer: (command) =>
        command.startsWith(where) || (where === 'EHLO' && /^HELO/.test(command)) ? reply : undefined,
    }
    const { mail, relay } = await scripted(script)
    expect((await failure(mail.send(fields('a@example.com')))).details).toMatchObject({ attempts: 1 })
    expect(relay.connections).toBe(1)
  })

  test('a refused login', async () => {
    const sink = await openSink({ httpPort: false, auth: { username: 'ada', password: 'right' } })
    closers.push(() => sink.close())
    await using mail = new FluxMail({
      host: '127.0.0.1',
      port: sink.smtpPort,
      sender: 'shop@example.com',
      username: 'ada',
      password: 'wrong',
      maxRetries: 5,
      retryDelayMs: 1,
      logLevel: 'silent',
    })
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.details).toMatchObject({ attempts: 1, reply: { code: 535 } })
    expect(sink.connections).toBe(1)
  })

  test.each([
    ['closes without a word', hangUp],
    [
      'resets the connection',
      ({ socket }: Session) => {
        socket.resetAndDestroy()
        return ''
      },
    ],
    ['answers what is no reply', say('what?')],
  ])('a final dot after which the relay %s', async (_, act) => {
    const script = first(99, 'body', act)
    const { mail, relay } = await scripted(script)
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.details).toMatchObject({ attempts: 1, maybeSent: true })
    expect(error.message).toContain('may or may not have accepted')
    await sleep(20)
    expect([relay.bodies.length, relay.connections]).toEqual([1, 1])
  })

  test('a final dot that is answered too late', async () => {
    const { mail, relay } = await scripted({ answerBody: () => '' }, { finalReplyTimeoutMs: 100 })
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.details).toMatchObject({ attempts: 1, maybeSent: true })
    expect(relay.bodies).toHaveLength(1)
  })
})

test('retryDelayMs is waited for before each further try, and maxRetries is none unless given', async () => {
  const slept: number[] = []
  const clock = { ...systemClock, sleep: async (ms: number) => void slept.push(ms) }
  const script = first(99, 'RCPT', say('451 4.7.1 later'))
  const { mail } = await scripted(script, { maxRetries: 3, retryDelayMs: 1234, clock })
  await failure(mail.send(fields('a@example.com')))
  expect(slept).toEqual([1234, 1234, 1234])
  const plain = new FluxMail({
    host: '127.0.0.1',
    port: 1,
    sender: 'shop@example.com',
    clock,
    logLevel: 'silent',
  })
  expect((await failure(plain.send(fields('a@example.com')))).details).toMatchObject({ attempts: 1 })
  expect(slept).toHaveLength(3)
})

test('a signal that outlives its sends keeps nothing of them', async () => {
  const { mail } = await scripted({})
  const { signal } = new AbortController()
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  await Promise.all(
    Array.from({ length: 30 }, (_, index) => mail.send(fields(`r${index}@example.com`), { signal })),
  )
  expect(listeners).toBe(0)
})

describe('a failure says which relay, how far it came and what to do', () => {
  const to = (verb: string, act: (session: Session) => string): Script => ({
    ...(verb === 'greet' ? { greet: act } : {}),
    ...(verb === 'body' ? { answerBody: (_, session) => act(session) } : {}),
    answer: (command, session) => (command.startsWith(verb) ? act(session) : undefined),
  })
  const quick = { timeoutMs: 100, finalReplyTimeoutMs: 100, maxRetries: 0 }

  test.each<[string, (session: Session) => string, string, object]>([
    [
      'greet',
      say(''),
      'could not be talked to: no greeting within 0.1 s (timeoutMs)',
      { stage: 'greeting', code: 'ETIMEDOUT' },
    ],
    [
      'EHLO',
      say(''),
      'could not be talked to: no answer to EHLO within 0.1 s (timeoutMs)',
      { stage: 'hello' },
    ],
    ['MAIL', say(''), 'did not get the email: no answer to MAIL within 0.1 s (timeoutMs)', { stage: 'mail' }],
    [
      'RCPT',
      say(''),
      'did not get the email: no answer to RCPT within 0.1 s (timeoutMs)',
      { stage: 'rcpt', maybeSent: false },
    ],
    ['DATA', say(''), 'did not get the email: no answer to DATA within 0.1 s (timeoutMs)', { stage: 'data' }],
    [
      'body',
      say(''),
      'may or may not have accepted the email: no answer to the final dot: nothing came within 0.1 s (finalReplyTimeoutMs)',
      { stage: 'body', maybeSent: true },
    ],
    [
      'RCPT',
      hangUp,
      'did not get the email: the connection was closed in place of the answer to RCPT',
      { stage: 'rcpt' },
    ],
    [
      'greet',
      say('554 go away'),
      'refused the connection: 554 go away',
      { stage: 'greeting', reply: { code: 554 } },
    ],
    [
      'RCPT',
      say('550 5.1.1 no'),
      'did not accept the email: 550 5.1.1 no',
      { stage: 'rcpt', reply: { code: 550 } },
    ],
  ])('%s %#', async (where, act, words, details) => {
    const { mail, relay } = await scripted(to(where, act), quick)
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.message).toBe(`the relay 127.0.0.1:${relay.port} ${words}`)
    expect(error.details).toMatchObject({ relay: '127.0.0.1', port: relay.port, ...details })
  })

  test('a relay that cannot be reached, with what the system said as cause', async () => {
    const { mail } = await scripted({}, { port: 1, maxRetries: 0 })
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.message).toBe('the relay 127.0.0.1:1 could not be reached: connect ECONNREFUSED 127.0.0.1:1')
    const details = error.details as SendFailedDetails
    expect([details.code, details.stage, details.port]).toEqual(['ECONNREFUSED', 'connection', 1])
    expect(error.cause).toMatchObject({ syscall: 'connect' })
  })

  test('a refused login, once', async () => {
    const { mail } = await scripted(
      { capabilities: ['AUTH PLAIN'], ...to('AUTH', say('535 5.7.8 wrong')) },
      { username: 'ada', password: 'x', maxRetries: 0 },
    )
    const error = await failure(mail.send(fields('a@example.com')))
    expect(error.message).toMatch(/could not be logged in to: 535 5\.7\.8 wrong$/)
    expect(error.details).toMatchObject({
      stage: 'login',
      code: 'EAUTH',
      rejected: [{ code: 535, about: 'relay' }],
    })
  })

  test('a login that the relay does not offer', async () => {
    const { mail } = await scripted(to('AUTH', say('503 5.5.1 what?')), {
      username: 'ada',
      password: 'x',
      maxRetries: 0,
    })
    expect((await failure(mail.send(fields('a@example.com')))).message).toMatch(
      /could not be logged in to: the relay offers no login \(AUTH\) here: leave username out, or use TLS first/,
    )
  })

  test('an email that nobody was asked to take', async () => {
    const { mail } = await scripted({})
    const error = await failure(
      mail.send(fields('a@example.com'), { signal: AbortSignal.abort(new Error('enough')) }),
    )
    expect(error.message).toMatch(/^the relay 127\.0\.0\.1:\d+ was not asked \(enough\)$/)
    expect(error.details).toMatchObject({ code: 'ABORTED', attempts: 0, maybeSent: false })
  })

  test('who has it already, where only some were refused', async () => {
    const { mail } = await scripted({
      answer: (command) => (command.includes('b@') ? '550 5.1.1 no' : undefined),
    })
    expect(
      (await failure(mail.send(fields('a@example.com', 'b@example.com', 'c@example.com')))).message,
    ).toMatch(
      /did not accept it for 1 of 3 recipients: 550 5\.1\.1 no; it was sent to the other 2: do not repeat it for them$/,
    )
  })

  test.each([
    ['RCPT', '550 5.1.1 no such user', 'recipient'],
    ['RCPT', '550 no such user', 'recipient'],
    ['RCPT', '552 5.2.2 full', 'recipient'],
    ['RCPT', '554 5.7.1 Relay access denied', 'relay'],
    ['RCPT', '550 5.7.515 not authenticated', 'relay'],
    ['RCPT', '553 5.1.8 sender domain', 'sender'],
    ['MAIL', '550 5.7.1 not yours', 'sender'],
    ['MAIL', '552 5.3.4 too large', 'message'],
    ['MAIL', '530 5.7.0 authenticate first', 'relay'],
    ['DATA', '554 no', 'message'],
    ['body', '554 5.7.1 spam', 'message'],
    ['body', '550 5.1.1 no such user', 'recipient'],
    ['greet', '554 not you', 'relay'],
  ])('%s answered with %s is about the %s', async (where, reply, about) => {
    const { mail } = await scripted(to(where, say(reply)), { maxRetries: 0 })
    const { details } = await failure(mail.send(fields('a@example.com')))
    expect(details.rejected).toMatchObject([{ about }])
  })

  test.each(['MAIL', 'RCPT', 'body'])('a connection lost at %s is about nobody', async (where) => {
    const { mail } = await scripted(to(where, hangUp), { maxRetries: 0 })
    const { details } = await failure(mail.send(fields('a@example.com')))
    expect(details.rejected).toMatchObject([{ about: 'connection', code: 0 }])
  })
})

test('a relay that does not answer QUIT keeps no process alive', async () => {
  const { mail, relay } = await scripted({ answer: (command) => (command === 'QUIT' ? '' : undefined) })
  await mail.send(fields('a@example.com'))
  const unref = vi.spyOn(Socket.prototype, 'unref')
  await mail.close()
  await expect.poll(() => relay.commands.at(-1)).toBe('QUIT')
  expect(unref).toHaveBeenCalled()
  unref.mockRestore()
})
