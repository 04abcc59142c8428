// How much memory a BulkSender takes for so many messages: `node --expose-gc --import tsx scripts/bulk-memory.ts 100000`.
// The sink is another process, so that what it keeps is not counted. Prints one line of JSON for each tenth.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BulkSender, type EmailFields, FluxMail } from '../src/index.js'
import { openSink } from '../src/sink/sink.js'

const [what = '20000', outcome = 'accepted'] = process.argv.slice(2)

if (what === 'sink') {
  const sink = await openSink({ httpPort: false })
  process.send?.(sink.smtpPort)
  process.once('message', async () => {
    process.send?.([sink.messages.length, sink.copies().size])
    await sink.close()
    process.disconnect()
  })
} else {
  await measure(Number(what))
}

async function measure(count: number): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['sink'])
  const [port] = await once(child, 'message')
  await using mail = new FluxMail({ host: '127.0.0.1', port, sender: 'news@example.com' })
  const startedAt = performance.now()
  const result = await new BulkSender(mail).sendBatch(messages(count), {
    maxErrors: count / 10,
    progress: ({ sent, failed }) => {
      if ((sent + failed) % (count / 10) === 0) report(sent + failed, startedAt)
    },
  })
  child.send('how many?')
  const [[received, recipients]] = await once(child, 'message')
  const { sent, failed, total } = result
  say({ sent, failed, total, errors: result.errors.length, received, recipients })
}

function* messages(count: number): Generator<EmailFields> {
  const name = outcome === 'refused' ? 'reject-' : 'r'
  for (let index = 0; index < count; index += 1) {
    yield {
      subject: `Number ${index}`,
      body: 'Hello.\n'.repeat(200),
      recipients: [`${name}${index}@example.com`],
    }
  }
}

function report(done: number, startedAt: number): void {
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  const perSecond = Math.round((done * 1000) / (performance.now() - startedAt))
  say({
    done,
    heapMb: megabytes(heapUsed),
    externalMb: megabytes(external),
    rssMb: megabytes(rss),
    perSecond,
  })
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 100_000) / 10
}

function say(fields: object): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`)
}
