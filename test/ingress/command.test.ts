import { Readable } from 'node:stream'
import { describe, expect, inject, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { parsePasswordHash, verifyPassword } from '../../src/ingress/password.js'
import { startCommand } from '../cli/process.js'
import { openTerminal, run } from '../cli/terminal.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { startWorker } from '../helpers/worker-process.js'
import { greeted, handIn } from './talk.js'

describe('fluxmail ingress --hash-password', () => {
  test.each([['se cret\n'], ['se cret'], ['se cret\r\n'], ['se cret\nmore\n']])(
    'prints the hash of the line %j',
    async (input) => {
      const { exitCode, stdout, stderr } = await run(['ingress', '--hash-password'], {
        stdin: Readable.from([input]),
      })
      expect([exitCode, stderr]).toEqual([0, ''])
      const hash = parsePasswordHash(stdout.trimEnd())
      expect(hash && (await verifyPassword('se cret', hash))).toBe(true)
    },
  )

  test('without a password prints none', async () => {
    const { exitCode, stdout, stderr } = await run(['ingress', '--hash-password'], {
      stdin: Readable.from([]),
    })
    expect([exitCode, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/no password came on standard input/)
  })

  test('on a terminal asks twice, shows nothing, and wants the same', async () => {
    for (const [again, code] of [
      ['secret', 0],
      ['secrte', 1],
    ] as const) {
      const stdin = Object.assign(new Readable({ read() {} }), { isTTY: true })
      const terminal = openTerminal({ stdin, isTTY: true })
      const done = runCommandLine(['ingress', '--hash-password'], terminal)
      await eventually('it asks', () => terminal.stderr.text.includes('Password: '))
      stdin.push('secret\r')
      await eventually('it asks again', () => terminal.stderr.text.includes('The same again: '))
      stdin.push(`${again}\r`)
      expect(await done).toBe(code)
      expect(terminal.stdout.text.startsWith('$scrypt$')).toBe(code === 0)
      expect(terminal.stdout.text + terminal.stderr.text).not.toMatch(/secret|secrte/)
    }
  })

  test('ends at Ctrl-C', async () => {
    const stdin = Object.assign(new Readable({ read() {} }), { isTTY: true })
    const terminal = openTerminal({ stdin, isTTY: true })
    const done = runCommandLine(['ingress', '--hash-password'], terminal)
    await eventually('it asks', () => terminal.stderr.text.includes('Password: '))
    stdin.push('\x03')
    expect(await done).toBe(130)
  })
})

test('the help of the command shows how it is started', async () => {
  const { exitCode, stdout } = await run(['ingress', '--help'])
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/fluxmail ingress --host 0\.0\.0\.0 --port 587 --secure-port 465/)
})

test('the command refuses a public host without TLS and users', async () => {
  const { exitCode, stderr } = await run(['ingress', '--host', '0.0.0.0', '--http-port', '0'])
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(/^\[FluxMail ERROR\] .* \(invalid_config\)$/m)
})

describe('as a process', () => {
  const env = (name: string) => ({
    FLUXMAIL_REDIS_URL: inject('redisUrl'),
    FLUXMAIL_NAME: name,
    FLUXMAIL_INGRESS_PORT: '0',
    FLUXMAIL_HTTP_PORT: '0',
  })

  test('dist/workers/ingress.js takes a message, drains at SIGTERM and exits 0', async () => {
    await using flow = await openMailFlow()
    await using worker = await startWorker({ entry: 'dist/workers/ingress.js', env: env(flow.name) })
    const started = await eventually('it says where it listens', () =>
      worker.stdout.find((line) => (line as { msg?: string }).msg === 'taking submissions'),
    )
    using talk = await greeted((started as { port: number }).port)
    expect(await handIn(talk)).toMatch(/^250 /)
    const ready = await fetch(`http://127.0.0.1:${worker.httpPort}/readyz`)
    expect(ready.status).toBe(200)
    expect(await worker.stop()).toEqual({ code: 0, signal: null })
    expect(await talk.reply()).toMatch(/^421 /)
    expect((await flow.queue.status())[0]?.accepted).toBe(1)
    expect(JSON.stringify(worker.stdout)).not.toMatch(/bob|Hello/)
  })

  test('fluxmail ingress runs the same until Ctrl-C', async () => {
    await using flow = await openMailFlow()
    const command = startCommand(['ingress', '--port', '0'], { env: env(flow.name) })
    const [, port] = await command.says(/"port":(\d+)/)
    using talk = await greeted(Number(port))
    expect(await handIn(talk)).toMatch(/^250 /)
    command.signal('SIGINT')
    expect(await command.exited).toBe(0)
  })
})
