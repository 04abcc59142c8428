// What the peers in Node have in common: Nodemailer's pool at its best settings, and nunjucks compiled once.

import { readFileSync } from 'node:fs'
import nodemailer from 'nodemailer'
import nunjucks from 'nunjucks'
import { newsletter } from '../fixture/mail.mjs'

export function openPool(
  /** @type {{port: number, connections: number, dkimKey?: string}} */ { port, connections, dkimKey },
) {
  const dkim = dkimKey && {
    domainName: 'garden.example',
    keySelector: 'bench',
    privateKey: readFileSync(dkimKey, 'utf8'),
  }
  return nodemailer.createTransport({
    pool: true,
    host: '127.0.0.1',
    port,
    secure: false,
    ignoreTLS: true,
    maxConnections: connections,
    maxMessages: Number.POSITIVE_INFINITY,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(dkim && { dkim }),
  })
}

const html = new nunjucks.Environment(null, { autoescape: true })
const plain = new nunjucks.Environment(null, { autoescape: false })

export function renderer(/** @type {string} */ source) {
  const templates = {
    html: new nunjucks.Template(source, html, undefined, true),
    text: new nunjucks.Template(newsletter.text, plain, undefined, true),
    subject: new nunjucks.Template(newsletter.subject, plain, undefined, true),
    member: new nunjucks.Template(newsletter.memberHeader, plain, undefined, true),
  }
  return (/** @type {Record<string, string>} */ row) => ({
    from: newsletter.from,
    to: row.to,
    subject: templates.subject.render(row),
    text: templates.text.render(row),
    html: templates.html.render(row),
    headers: { 'X-Member': templates.member.render(row) },
  })
}
