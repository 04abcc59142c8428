// The worker's HTTP port: metrics for Prometheus, health and readiness for whoever restarts it.
// It listens on loopback unless told otherwise, and serves nothing about recipients.

import { type FastifyInstance, fastify } from 'fastify'
import { FluxMailError, messageOf } from '../errors.js'

export interface Observed {
  readonly isReady: boolean
  readonly metrics: { expose(): Promise<string>; readonly contentType: string }
}

export interface OpsServer {
  readonly port: number
  close(): Promise<void>
}

/** @throws FluxMailError `setup_failed` when the port cannot be listened on */
export async function openOpsServer(worker: Observed, host: string, port: number): Promise<OpsServer> {
  const server = fastify({ forceCloseConnections: true })
  server.get('/metrics', async (_request, reply) => {
    reply.type(worker.metrics.contentType)
    return worker.metrics.expose()
  })
  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    if (worker.isReady) return { status: 'ready' }
    reply.code(503)
    return { status: 'not ready' }
  })
  return { port: await listen(server, host, port), close: () => server.close() }
}

async function listen(server: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    const hint = 'set FLUXMAIL_HTTP_PORT to another port, or to 0 for any free one'
    throw new FluxMailError(
      'setup_failed',
      `the HTTP port ${host}:${port} cannot be used: ${messageOf(cause)}; ${hint}`,
      { cause },
    )
  }
  const address = server.server.address()
  return typeof address === 'object' && address ? address.port : port
}
