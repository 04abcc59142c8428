import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openScriptedRelay, type Session } from './scripted-relay.js'
import { countedPool, sendMany } from './sending.js'

/** What a relay may do to a greeting, a command or a body. */
const whims = ['fine', 'fine', 'fine', 'fine', 'fine', '421', '451', '550', 'hang up', 'half close'] as const
type Whim = (typeof whims)[number]

function obey(whim: Whim, { say, hangUp, socket }: Session): string | undefined {
  if (whim === 'fine') return undefined
  if (whim === 'hang up') hangUp()
  else if (whim === 'half close') socket.end()
  else say(`${whim} on a whim`)
  return ''
}

const hostile = fc.record({
  whims: fc.array(fc.constantFrom(...whims), { minLength: 20, maxLength: 20 }),
  allowed: fc.integer({ min: 0, max: 6 }),
  maxConnections: fc.integer({ min: 1, max: 6 }),
  maxMessagesPerConnection: fc.integer({ min: 1, max: 5 }),
  pipelining: fc.constantFrom('no', 'envelope', 'messages'),
})

test('whatever a relay does, every message is answered for, and none is taken twice', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async ({ whims: order, allowed, pipelining, ...options }) => {
      let turn = 0
      const next = () => order[turn++ % order.length] ?? 'fine'
      await using relay = await openScriptedRelay({
        capabilities: pipelining === 'no' ? [] : ['PIPELINING'],
        greet: () => (relay.open > allowed ? '421 4.7.0 too many connections' : '220 ready'),
        answer: (command, session) => (/^(EHLO|QUIT)/.test(command) ? undefined : obey(next(), session)),
        answerBody: (_, session) => obey(next(), session),
      })
      const pipelineMessages = pipelining === 'messages'
      const limits = { timeoutMs: 300, finalReplyTimeoutMs: 300 }
      using pool = countedPool(relay.port, { ...options, ...limits, pipelineMessages })
      const kinds = await sendMany(pool, 20)
      expect(kinds).toHaveLength(20)
      expect(new Set(relay.bodies).size).toBe(relay.bodies.length)
      const accepted = kinds.filter((kind) => kind === 'accepted').length
      expect(accepted).toBeLessThanOrEqual(relay.bodies.length)
    }),
    { numRuns: 20 },
  )
})
