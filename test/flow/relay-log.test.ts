import { expect, test } from 'vitest'
import type { Logger } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }
const auth = { username: 'user', password: 'right' }

interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: object
}

function createLog() {
  const lines: Line[] = []
  const keep = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, message, fields })
  const logger = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
  const at = (...levels: Line['level'][]) => lines.filter(({ level }) => levels.includes(level))
  return { logger, at }
}

/** What a Redis of the tests is warned of when a worker starts. */
const ofRelays = ({ fields }: Line) => 'relay' in fields

test('a relay that refuses the login is one warning of a whole fleet, and one more when it is back', async () => {
  let known = false
  await using relay = await openScriptedRelay({
    capabilities: ['AUTH PLAIN'],
    answer: (command) =>
      command.startsWith('AUTH')
        ? known
          ? '235 welcome'
          : '535 5.7.8 unknown user ada@example.com'
        : undefined,
  })
  await using flow = await openMailFlow()
  const log = createLog()
  const relays = { main: { host: '127.0.0.1', port: relay.port, ...auth } }
  await Promise.all([1, 2, 3].map(() => flow.work({ relays, logger: log.logger })))
  const batch = await flow.queue.enqueueBatch(rowsTo(300), content)
  await eventually(
    'it was probed, and said',
    () => {
      const logins = relay.commands.filter((command) => command.startsWith('AUTH')).length
      return logins > 2 && log.at('warn').some(ofRelays)
    },
    { withinMs: 20_000 },
  )
  expect(log.at('warn').filter(ofRelays)).toEqual([
    {
      level: 'warn',
      message: 'a relay is not used for now, and its mail waits',
      fields: {
        relay: 'main',
        circuit: 'open',
        fault: 'auth',
        reply: '535 5.7.8 unknown user …@example.com',
        todo: expect.stringContaining('username and password'),
      },
    },
  ])
  expect(log.at('info').filter(({ message }) => message === 'delivery')).toEqual([])
  known = true
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 300 })
  expect(log.at('warn').filter(ofRelays).slice(1)).toMatchObject([
    { message: 'a relay is used again', fields: { relay: 'main', circuit: 'half-open' } },
  ])
  expect(log.at('info').filter(({ message }) => message === 'delivery')).toHaveLength(300)
}, 90_000)

test('no line above debug names a recipient, however a reply quotes it, unless it was asked for', async () => {
  const quotes = [
    (address: string) => `550 5.1.1 <${address}>: no such user`,
    (address: string) => `550 5.1.1 ${address.split('@')[0]} is not known here`,
    (address: string) => `451 4.7.1 see https://spf.example/?id=${address.replace('@', '%40')}`,
    (address: string) => `554 5.7.1 <${address}>: Relay access denied`,
    (address: string) => `550 5.7.1 Sender denied by "${address}"`,
    (address: string) => `bla bla ${address}`,
    (address: string) => `421 4.7.28 too much mail for ${address.split('@')[0]?.toUpperCase()}`,
  ]
  await using relay = await openScriptedRelay({
    answer: (command) => {
      const address = /^RCPT TO:<(.*)>/.exec(command)?.[1]
      const index = Number(/\d+/.exec(address ?? '')?.[0])
      return address === undefined ? undefined : quotes[index % quotes.length]?.(address)
    },
  })
  await using flow = await openMailFlow()
  const log = createLog()
  await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port } }, logger: log.logger })
  await flow.queue.enqueueBatch(
    rowsTo(42, (index) => `lovelace.${index}@example.com`),
    content,
  )
  await eventually(
    'all were refused',
    () => {
      return new Set(relay.commands.filter((command) => command.startsWith('RCPT'))).size >= 20
    },
    { withinMs: 20_000 },
  )
  const above = log.at('info', 'warn', 'error')
  expect(above.length).toBeGreaterThan(3)
  expect(JSON.stringify(above)).not.toMatch(/lovelace/i)
})

test('a route that a worker does not have is one warning', async () => {
  await using flow = await openMailFlow()
  const log = createLog()
  await flow.work({ logger: log.logger })
  const batch = await flow.queue.enqueueBatch(rowsTo(20), content, { route: 'elsewhere' })
  await eventually('all wait', async () => {
    return (await flow.queue.delivery(`${batch.id}.19`)).lastReason?.includes('no_route')
  })
  expect(log.at('warn').filter(({ fields }) => 'route' in fields)).toMatchObject([
    { fields: { route: 'elsewhere' } },
  ])
  expect(log.at('info').filter(({ message }) => message === 'delivery')).toEqual([])
})
