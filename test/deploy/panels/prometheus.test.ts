import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { requireProgram } from '../../helpers/programs.js'
import { openPrometheus } from '../../helpers/prometheus.js'

it('scrapes what it is told to, and forgets what it is told to leave', async (context) => {
  requireProgram(context, 'prometheus')
  const server = createServer((_request, response) => response.end('answer 42\n')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await using prometheus = await openPrometheus({ targets: { some: [] } })
  await prometheus.setTargets({ some: [`127.0.0.1:${port}`] })
  await prometheus.scraped()
  const [series] = await prometheus.query('answer{job="some"}')
  expect(series?.samples[0]?.value).toBe(42)
  await prometheus.setTargets({ some: [] })
  await prometheus.scraped()
  server.closeAllConnections()
  server.close()
})
