import { expect, test } from 'vitest'
import { MailQueue } from '../../src/index.js'
import { openRedis } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { type IngressFlow, openIngressFlow, password, tls, user } from './ingress-flow.js'
import { greeted, handIn, letter, plain } from './talk.js'

const named = `Message-ID: <1@example.com>\r\n${letter}`

/** The id of the delivery that a 250 names. */
function queued(reply: string): string {
  return /^250 2\.0\.0 Ok: queued as (\S+)$/.exec(reply)?.[1] ?? reply
}

async function acceptedBy({ flow }: IngressFlow): Promise<number | undefined> {
  return (await flow.queue.status())[0]?.accepted
}

test('a message with its own Message-ID that comes again, also later and by another connection, is one delivery', async () => {
  await using open = await openIngressFlow()
  using talk = await greeted(open.port)
  const first = queued(await handIn(talk, named))
  expect(queued(await handIn(talk, named))).toBe(first)
  using other = await greeted(open.port)
  expect(queued(await handIn(other, named))).toBe(first)
  expect(await acceptedBy(open)).toBe(1)
  const told = open.lines.filter(({ message }) => message === 'submission')
  expect(told.map(({ repeated }) => repeated)).toEqual([undefined, true, true])
  await open.flow.work()
  await open.flow.sink.waitForMessages(1)
  expect(queued(await handIn(other, named))).toBe(first)
  expect([...open.flow.sink.copies().values()]).toEqual([1])
})

test('50 connections that hand in the same message at once make one delivery', async () => {
  await using open = await openIngressFlow()
  const hands = await Promise.all(
    Array.from({ length: 50 }, async () => {
      using talk = await greeted(open.port)
      return queued(await handIn(talk, named))
    }),
  )
  expect(new Set(hands).size).toBe(1)
  expect(await acceptedBy(open)).toBe(1)
})

test.each([
  ['without a Message-ID', letter, letter],
  ['with an empty Message-ID', `Message-ID: \r\n${letter}`, `Message-ID: \r\n${letter}`],
  ['with another Message-ID', named, named.replace('<1@', '<2@')],
  ['with another body under the same Message-ID', named, named.replace('Hi Bob', 'Hi Rob')],
  ['with another header that is not ours', `X-Try: 1\r\n${named}`, `X-Try: 2\r\n${named}`],
])('two messages %s are two deliveries', async (_what, first, second) => {
  await using open = await openIngressFlow()
  using talk = await greeted(open.port)
  expect(queued(await handIn(talk, first))).not.toBe(queued(await handIn(talk, second)))
  expect(await acceptedBy(open)).toBe(2)
})

test('the same message to another recipient, from another sender or of another user is another delivery', async () => {
  const users = [user, { ...user, username: 'other' }]
  await using open = await openIngressFlow({ tls, users })
  const handInAs = async (username: string, sender: string, to: string) => {
    using talk = await greeted(open.port)
    await talk.startTls()
    await talk.asks('EHLO client.example', plain(username, password))
    await talk.asks(`MAIL FROM:<${sender}>`, `RCPT TO:<${to}>`, 'DATA')
    talk.write(`${named}.\r\n`)
    return queued(await talk.reply())
  }
  const ids = [
    await handInAs('shop', 'ann@example.com', 'bob@example.org'),
    await handInAs('shop', 'ann@example.com', 'rob@example.org'),
    await handInAs('shop', 'ann2@example.com', 'bob@example.org'),
    await handInAs('other', 'ann@example.com', 'bob@example.org'),
  ]
  expect(new Set(ids).size).toBe(4)
  expect(await handInAs('shop', 'ann@example.com', 'bob@example.org')).toBe(ids[0])
  expect(await acceptedBy(open)).toBe(4)
})

test('a message is known again for a quarter of an hour', async () => {
  await using open = await openIngressFlow()
  await using redis = openRedis(open.flow)
  using talk = await greeted(open.port)
  await handIn(talk, named)
  const receipts = await redis.keys(`{${open.flow.name}}:v1:receipt:*`)
  expect(receipts).toHaveLength(1)
  const left = await redis.ttl(receipts[0] ?? '')
  expect(left).toBeGreaterThan(880)
  expect(left).toBeLessThanOrEqual(900)
})

test('what is answered with 451 although Redis has it is stored once, however often the client repeats it', async () => {
  await using redis = await openOwnRedis()
  await using queue = new MailQueue({ redis: redis.url, durability: 'replicated' })
  await using open = await openIngressFlow({ queue })
  using talk = await greeted(open.port)
  for (let n = 0; n < 3; n += 1) expect(await handIn(talk, named)).toMatch(/^451 4\.3\.0 /)
  expect((await queue.status())[0]?.accepted).toBe(1)
  await using replica = await openOwnRedis()
  await replica.ask((client) => client.replicaof('127.0.0.1', redis.port))
  let reply = ''
  for (let tries = 0; tries < 20 && !reply.startsWith('250'); tries += 1) reply = await handIn(talk, named)
  expect(reply).toMatch(/^250 /)
  expect((await queue.status())[0]?.accepted).toBe(1)
}, 60_000)
