// A peer: Nodemailer's pool in a loop, without a queue. The mail is rendered and its CSS inlined before the clock runs.
// argv: {port, count, connections, inlined, attachment?, dkimKey?} as JSON.

import { readFileSync } from 'node:fs'
import { megabyte, rowsOf } from '../fixture/mail.mjs'
import { openPool, renderer } from './pool.mjs'

const job = JSON.parse(process.argv[2] ?? '')
const pool = openPool(job)
const render = renderer(readFileSync(job.inlined, 'utf8'))
const files = job.attachment ? [{ filename: 'programme.bin', content: megabyte() }] : undefined
const mails = Array.from(rowsOf(job.count), (row) => ({
  ...render(row),
  ...(files && { attachments: files }),
}))

process.send?.({ ready: true })
let next = 0
/** As many at once as keep every connection busy. */
async function sendOn() {
  while (next < mails.length) {
    const mail = mails[next]
    next += 1
    await pool.sendMail(mail)
  }
}
await Promise.all(Array.from({ length: job.connections * 2 }, sendOn))
process.send?.({ done: true })
// Stays until it is ended, so that it can be asked what it took.
setInterval(() => undefined, 60_000)
