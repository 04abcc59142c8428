// A peer: the recipe everyone writes. A BullMQ worker takes a job for each recipient, renders it with nunjucks, inlines
// its CSS where it is told to, and hands it to Nodemailer's pool.
// argv: {redis, port, connections, inlined?} as JSON; without `inlined` juice runs for each message.

import { readFileSync } from 'node:fs'
import { Worker } from 'bullmq'
import juice from 'juice'
import { newsletter } from '../fixture/mail.mjs'
import { openPool, renderer } from './pool.mjs'

const job = JSON.parse(process.argv[2] ?? '')
const pool = openPool(job)
const render = renderer(job.inlined ? readFileSync(job.inlined, 'utf8') : newsletter.html)

async function deliver(/** @type {{data: Record<string, string>}} */ { data }) {
  const mail = render(data)
  await pool.sendMail(job.inlined ? mail : { ...mail, html: juice(mail.html) })
}

process.send?.({ ready: true })
const worker = new Worker('mail', deliver, {
  connection: { url: job.redis, maxRetriesPerRequest: null },
  concurrency: job.connections * 2,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 100 },
})
worker.on('failed', (_, error) => process.stderr.write(`${error.stack}\n`))
worker.on('error', (error) => process.stderr.write(`${error.stack}\n`))
