// What goes on for as long as a test looks: single mails, ten a second, and mail that clients hand in, once a second.

import { setInterval } from 'node:timers/promises'
import type { FluxMail, MailQueue } from '../../../src/index.js'
import { password, user } from '../../ingress/ingress-flow.js'
import { greeted, handIn, plain } from '../../ingress/talk.js'

const recipients = ['ann@gmail.com', 'bob@outlook.com', 'cem@yahoo.com', 'dee@icloud.com', 'eve@example.org']
const troubled = ['reject', 'defer-1', 'full', 'slow-1', 'busy', 'cut', 'lost']
const routes = ['main', 'secure']

function repeat(everyMs: number, work: (count: number) => Promise<unknown>): AsyncDisposable {
  const stop = new AbortController()
  const run = async () => {
    let count = 0
    for await (const _ of setInterval(everyMs, undefined, { signal: stop.signal })) {
      count += 1
      await work(count)
    }
  }
  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

/** One in three is in trouble, each at an address of its own, since the sink counts how often it deferred each. */
function recipientOf(count: number): string {
  if (count % 3 !== 0) return `${recipients[count % recipients.length]}`
  return `${troubled[(count / 3) % troubled.length]}-${count}@example.com`
}

export function keepWriting(queue: MailQueue, mail: FluxMail): AsyncDisposable {
  return repeat(100, (count) => {
    const letter = { subject: `Order ${count}`, body: 'Thank you.', recipients: [recipientOf(count)] }
    return queue.enqueue(mail.create(letter), { route: `${routes[count % routes.length]}` })
  })
}

/** Clients of every kind at an ingress: with the right password, with a wrong one, with none. */
export function keepHandingIn(port: number): AsyncDisposable {
  return repeat(1_000, async () => {
    using right = await greeted(port)
    await right.ask(plain(user.username, password))
    await handIn(right)
    await right.asks('MAIL FROM:<ann@example.com>', 'RCPT TO:<no address>')
    using wrong = await greeted(port)
    await wrong.ask(plain(user.username, 'wrong'))
    using early = await greeted(port)
    await early.ask('MAIL FROM:<ann@example.com>')
  })
}
