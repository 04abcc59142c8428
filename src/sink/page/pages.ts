// The routes of the inbox page: list, message, its framed HTML, its attachments, style and script.

import type { FastifyInstance, FastifyReply } from 'fastify'
import { readMessage } from '../read-message.js'
import { listPage } from './list-page.js'
import { mailFrame, mailFramePolicy } from './mail-frame.js'
import { messagePage, parseTab } from './message-page.js'
import type { PageParts } from './parts.js'
import { messageOfId, notFound, parseSelection } from './request.js'
import { script } from './script.js'
import { neighboursOf, selectPage } from './selection.js'
import { readStats } from './stats.js'
import { style } from './style.js'

const htmlType = 'text/html; charset=utf-8'

interface ById {
  Params: { id: string; index: string }
  Querystring: { tab?: unknown }
}

export function addPages(app: FastifyInstance, parts: PageParts): void {
  const { inbox, traffic } = parts
  app.get('/', async ({ query }, reply) => {
    const selection = parseSelection(query)
    const page = selectPage(inbox.messages, selection)
    const smtpAddress = `${traffic.host}:${traffic.port}`
    const stats = readStats(inbox, traffic)
    return reply.type(htmlType).send(await listPage({ page, to: selection.to, stats, smtpAddress }))
  })
  app.get<ById>('/messages/:id', async ({ params, query }, reply) => {
    const message = messageOfId(inbox, params.id)
    const mail = await readMessage(message)
    const tab = parseTab(query.tab, mail)
    return reply
      .type(htmlType)
      .send(messagePage({ message, mail, tab, ...neighboursOf(inbox.messages, message) }))
  })
  addMailParts(app, parts)
  addClear(app, parts)
  app.get('/inbox.css', async (_request, reply) => reply.type('text/css; charset=utf-8').send(style))
  app.get('/inbox.js', async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script))
}

function addMailParts(app: FastifyInstance, { inbox }: PageParts): void {
  app.get<ById>('/messages/:id/html', async ({ params }, reply) => {
    const mail = await readMessage(messageOfId(inbox, params.id))
    if (mail.html === undefined) throw notFound('This message has no HTML part')
    reply.headers({ 'content-security-policy': mailFramePolicy, 'referrer-policy': 'no-referrer' })
    return reply.type(htmlType).send(mailFrame(mail.html, mail.files))
  })
  app.get<ById>('/messages/:id/attachments/:index', async ({ params }, reply) => {
    const { files } = await readMessage(messageOfId(inbox, params.id))
    const file = files[Number(params.index)]
    if (!file) throw notFound('This message has no such attachment')
    return sendFile(reply, file.filename, file.bytes)
  })
}

// Always bytes to be saved, whatever type the mail claims: an attachment must never open in this origin.
function sendFile(reply: FastifyReply, filename: string, bytes: Buffer): FastifyReply {
  const name = [...filename]
    .slice(0, 150)
    .join('')
    .replace(/[/\\\p{C}\p{Zl}\p{Zp}]/gu, '_')
  const plain = name.replace(/[^\w .,()+=@~-]/g, '_')
  const encoded = encodeURIComponent(name).replace(/['()*]/g, escapeCharacter)
  reply.header('content-disposition', `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`)
  return reply.type('application/octet-stream').send(bytes)
}

function escapeCharacter(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

function addClear(app: FastifyInstance, parts: PageParts): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, _body, done) => {
      done(null)
    },
  )
  app.post('/clear', async (_request, reply) => {
    await parts.clear()
    return reply.redirect('/', 303)
  })
}
