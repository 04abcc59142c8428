// The inbox as JSON, for programs and tests, and a stream of events for the page.

import type { FastifyInstance, FastifyReply } from 'fastify'
import type { RecordedMessage } from '../inbox.js'
import { type MailFile, readMessage, summarise } from '../read-message.js'
import type { PageParts } from './parts.js'
import { messageOfId, parseSelection } from './request.js'
import { selectPage } from './selection.js'
import { readStats } from './stats.js'

/** At most so many events a second go to a page, however fast messages come. */
const quietMs = 250

interface ById {
  Params: { id: string }
}

export function addApi(app: FastifyInstance, parts: PageParts): void {
  const { inbox, traffic } = parts
  app.get('/api/stats', async () => readStats(inbox, traffic))
  app.get('/api/events', (_request, reply) => streamEvents(reply, parts))
  app.get('/api/messages', async ({ query }) => {
    const { messages, ...page } = selectPage(inbox.messages, parseSelection(query))
    return { ...page, messages: await Promise.all(messages.map(summaryJson)) }
  })
  app.get<ById>('/api/messages/:id', async ({ params }) => messageJson(messageOfId(inbox, params.id)))
  app.get<ById>('/api/messages/:id/raw', async ({ params }, reply) => {
    const { id, bytes } = messageOfId(inbox, params.id)
    reply.type('message/rfc822').header('content-disposition', `attachment; filename="message-${id}.eml"`)
    return reply.send(bytes)
  })
  app.delete('/api/messages', async (_request, reply) => {
    await parts.clear()
    return reply.code(204).send()
  })
}

async function summaryJson(message: RecordedMessage) {
  const { subject, from, hasAttachments } = await summarise(message)
  return { ...envelopeJson(message), subject, sender: from, hasAttachments }
}

async function messageJson(message: RecordedMessage) {
  const { files, from, to, cc, ...mail } = await readMessage(message)
  const attachments = files.map((file, index) =>
    fileJson(file, `/messages/${message.id}/attachments/${index}`),
  )
  return { ...envelopeJson(message), sender: from, recipients: to, cc, ...mail, attachments }
}

function envelopeJson({ id, receivedAt, connection, from, to, size }: RecordedMessage) {
  return { id, receivedAt, connection, from, to, size }
}

function fileJson({ filename, contentType, contentId, inline, bytes }: MailFile, url: string) {
  return { filename, contentType, contentId, inline, size: bytes.length, url }
}

function streamEvents(reply: FastifyReply, { inbox, clock }: PageParts): void {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  raw.write(': open\n\n')
  let cancel: (() => void) | undefined
  const tell = () => {
    cancel = undefined
    raw.write('event: change\ndata: messages\n\n')
  }
  const stop = inbox.onMessage(() => {
    cancel ??= clock.after(quietMs, tell)
  })
  raw.on('close', () => {
    stop()
    cancel?.()
  })
}
