import { expect, test } from 'vitest'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { openScriptedRelay, type Script } from '../smtp/scripted-relay.js'
import { content } from './window-stage.js'

const first = 'first@example.com'

/** Sends to `first` and to many more, one after the other, so that BullMQ hands each job on under the same lock token. */
async function sendWith(script: Script) {
  await using relay = await openScriptedRelay(script)
  await using flow = await openMailFlow()
  const retry = { delaysMs: [10], jitter: 0, maxAgeMs: 60_000 }
  const relays = { main: { host: '127.0.0.1', port: relay.port, finalReplyTimeoutMs: 2_000 } }
  await flow.work({ relays, concurrency: 1, lanes: { bulk: { retry, unknown: 'resend' } } })
  const batch = await flow.queue.enqueueBatch([{ to: first }, ...rowsTo(300)], content)
  const result = await batch.wait({ intervalMs: 20 })
  return { ...result, copies: relay.bodies.length - 300 }
}

/** Takes so many bodies for `first` and hangs up without a word. */
function losing(
  times: number,
): Required<Pick<Script, 'answer' | 'answerBody'>> & { readonly lost: () => number } {
  let lost = 0
  let recipient = ''
  return {
    lost: () => lost,
    answer(command) {
      if (command.startsWith('RCPT')) recipient = command
      return undefined
    },
    answerBody(_body, session) {
      if (!recipient.includes(first) || lost === times) return '250 taken'
      lost += 1
      session.hangUp()
      return ''
    },
  }
}

test('each further copy is counted, also when one slot of a worker has made every attempt', async () => {
  expect(await sendWith(losing(3))).toMatchObject({ sent: 301, unknown: 0, failed: 0, copies: 4, resent: 3 })
})

test('a delivery that may have been accepted and is then refused in the same slot is unknown, never failed', async () => {
  const script = losing(1)
  const answer = (command: string, session: Parameters<typeof script.answer>[1]) =>
    command.startsWith('RCPT') && command.includes(first) && script.lost() === 1
      ? '550 5.1.1 no such user'
      : script.answer(command, session)
  expect(await sendWith({ ...script, answer })).toMatchObject({ sent: 300, unknown: 1, failed: 0, copies: 1 })
})
