import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { activeResources, leaksSince } from './leaks.js'

async function listening(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function leaksOf(open: () => Promise<() => unknown>): Promise<string[]> {
  const before = activeResources()
  const close = await open()
  try {
    return await leaksSince(before, 50)
  } finally {
    await close()
    expect(await leaksSince(before)).toEqual([])
  }
}

test('an open server is a leak until it is closed', async () => {
  const leaks = await leaksOf(async () => {
    const server = await listening()
    return () => server.close()
  })
  expect(leaks).toEqual(['1 TCPServerWrap'])
})

test('an open socket is a leak until it is closed', async () => {
  const server = await listening()
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const leaks = await leaksOf(async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return () => socket.destroy()
  })
  server.close()
  expect(leaks.join()).toContain('TCPSocketWrap')
})

// The test runner has timers of its own that come and go, so one timer more or less would show nothing.
const many = 100

test('a timer that keeps the process alive is a leak, one that does not is none', async () => {
  const intervals = () => Array.from({ length: many }, () => setInterval(() => undefined, 60_000))
  const unreferenced = intervals().map((timer) => timer.unref())
  const before = activeResources()
  const timers = intervals()
  const leaks = await leaksSince(before, 50)
  for (const timer of [...timers, ...unreferenced]) clearInterval(timer)
  const found = leaks.find((leak) => leak.endsWith(' Timeout'))
  expect(Math.abs(Number.parseInt(found ?? '0', 10) - many)).toBeLessThan(many / 2)
})

test('a child process is a leak until it has ended', async () => {
  const leaks = await leaksOf(async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    return async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
  expect(leaks).toEqual(['1 ProcessWrap'])
})

test('a test file that leaves a server open fails, though each of its tests passes', async () => {
  const vitest = join('node_modules', 'vitest', 'vitest.mjs')
  const env = { ...process.env, NO_COLOR: '1', CI: '' }
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--config', 'test/vitest.config.ts', '--mode', 'fixtures'],
    { env },
  )
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  expect(output).toContain('1 passed')
  expect(errors).toContain('this test file leaves open: 1 TCPServerWrap')
  expect(code).toBe(1)
})
