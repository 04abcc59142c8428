// The HTTP side of the sink: the inbox page and the same as JSON, on loopback unless told.
// Every answer carries a policy under which nothing from a mail can run in the page's origin.

import type { AddressInfo } from 'node:net'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { FluxMailError, messageOf } from '../../errors.js'
import { addApi } from './api.js'
import { faultPage } from './layout.js'
import { addPages } from './pages.js'
import type { PageParts } from './parts.js'

const policy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Listens and resolves with the port taken; `close()` drops open requests. */
export async function openPage(parts: PageParts, host: string, port: number) {
  const app = fastify({ forceCloseConnections: true })
  addGuards(app, isLoopback(host))
  addFaults(app)
  addApi(app, parts)
  addPages(app, parts)
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    throw error
  }
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
}

function addGuards(app: FastifyInstance, onLoopback: boolean): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      'x-dns-prefetch-control': 'off',
      'cache-control': 'no-store',
    })
    if (onLoopback && !isLoopback(hostnameOf(request.headers.host)))
      throw refused('This inbox answers only under the name of this machine, localhost')
    if (isForeign(request)) throw refused('Another site may not change this inbox')
  })
}

// A page elsewhere can make a browser post here, or point its own name at 127.0.0.1.
function isForeign({ method, headers }: FastifyRequest): boolean {
  if (method === 'GET' || method === 'HEAD' || headers.origin === undefined) return false
  return headers.origin !== `http://${headers.host}`
}

function refused(text: string): Error {
  return Object.assign(new Error(text), { statusCode: 403 })
}

function hostnameOf(host = ''): string {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : ''
}

function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname)
}

function addFaults(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) =>
    answerFault(request, reply, statusOf(error), error),
  )
  app.setNotFoundHandler((request, reply) =>
    answerFault(request, reply, 404, new Error(`There is nothing at ${request.url}`)),
  )
}

function statusOf(error: FastifyError): number {
  if (error instanceof FluxMailError) return error.code === 'invalid_params' ? 400 : 500
  return error.statusCode ?? 500
}

function answerFault(request: FastifyRequest, reply: FastifyReply, status: number, error: Error) {
  const text = messageOf(error)
  if (request.url.startsWith('/api/')) return reply.code(status).send({ error: text })
  const title = status === 404 ? 'Not found' : 'That did not work'
  return reply.code(status).type('text/html; charset=utf-8').send(faultPage(title, text))
}
