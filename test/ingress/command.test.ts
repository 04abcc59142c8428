import { Readable } from 'node:stream'
import { describe, expect, inject, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { parsePasswordHash, verifyPassword } from '../../src/ingress/password.js'
import { openSink } from '../../src/sink/sink.js'
import { writeFiles } from '../cli/folder.js'
import { startCommand } from '../cli/process.js'
import { openTerminal, run } from '../cli/terminal.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { startWorker } from '../helpers/worker-process.js'
import { tls, user } from './ingress-flow.js'
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
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/^\[FluxMail ERROR\] .* \(invalid_config\)$/m)
})

describe('what is wrong with a flag', () => {
  async function faultOf(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const quiet = { FLUXMAIL_REDIS_URL: 'redis://127.0.0.1:1', FLUXMAIL_LOG_LEVEL: 'silent', ...env }
    const { exitCode, stdout, stderr } = await run(['ingress', '--http-port', '0', ...args], { env: quiet })
    expect(stdout).toBe('')
    return `${exitCode} ${stderr}`
  }

  test.each<[string[], RegExp]>([
    [['--key', 'nokey.pem'], /--key and --cert go together/],
    [['--key', 'nokey.pem', '--cert', 'nocert.pem'], /--key names nokey\.pem, which cannot be read: /],
    [
      ['--host', '0.0.0.0'],
      /--host 0\.0\.0\.0 is open to other machines: set --key and --cert and --users, or listen on/,
    ],
    [['--host', 'no.such.invalid'], /--host: "no\.such\.invalid" cannot be listened on/],
    [['--secure-port', '3465'], /--secure-port is TLS from the first byte and needs --key and --cert/],
    [['--port', 'off'], /--port is off and --secure-port gives no port/],
    [['--port', 'smtp'], /--port must be a port, .* and is "smtp"/],
    [['--port', '70000'], /--port must be a port/],
    [['--users', 'none.json'], /--users names none\.json, which cannot be read/],
    [['--config', 'none.json'], /--config names none\.json, which cannot be read/],
    [['--redis', 'localhost'], /--redis must be a URL/],
    [['--name', 'a b'], /--name must be 1 to 64/],
  ])('%j is said in its words, and exits with 1', async (args, message) => {
    const fault = await faultOf(args)
    expect(fault).toMatch(/^1 \[FluxMail ERROR\] /)
    expect(fault).toMatch(message)
    expect(fault).not.toMatch(/FLUXMAIL_|\btls\b|securePort/)
  })

  test('a key and a certificate that were swapped are named, and so is that', async () => {
    const [key = '', cert = ''] = await writeFiles({ 'key.pem': tls.key, 'cert.pem': tls.cert })
    const fault = await faultOf(['--key', cert, '--cert', key])
    expect(fault).toContain(`1 [FluxMail ERROR] --key (${cert}) and --cert (${key}) cannot be used: `)
    expect(fault).toContain('they may be swapped')
  })

  test.each([
    ['{', /is not JSON/],
    ['{}', /must hold an array/],
    ['[]', /: must name at least one user/],
    [
      '[{ "username": "a", "passwordHash": "hunter2" }]',
      /, 0\.passwordHash: must be a hash that `fluxmail ingress --hash-password`/,
    ],
    [JSON.stringify([{ ...user, lane: 'nosuch' }]), /there is no lane "nosuch"/],
  ])('the users %s are refused with the name of their file', async (text, message) => {
    const [users = ''] = await writeFiles({ 'users.json': text })
    const fault = await faultOf(['--users', users])
    expect(fault).toContain('1 [FluxMail ERROR] ')
    expect(fault).toContain(`--users (${users})`)
    expect(fault).toMatch(message)
    expect(fault).not.toContain('hunter2')
  })

  test('a variable that is set is said so, and is no fault of the command line', async () => {
    const fault = await faultOf([], { FLUXMAIL_INGRESS_PORT: 'off' })
    expect(fault).toMatch(/^2 .*FLUXMAIL_INGRESS_PORT is off and --secure-port gives no port/)
  })

  test('a port in use exits with 2, and says by which flag to choose another', async () => {
    await using taken = await openSink({ httpPort: false })
    const fault = await faultOf(['--port', String(taken.smtpPort)])
    expect(fault).toMatch(/^2 .*EADDRINUSE.*choose another --port, .*\(setup_failed\)/)
  })
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
    const { FLUXMAIL_NAME: _, ...others } = env(flow.name)
    const command = startCommand(['ingress', '--port', '0', '--name', flow.name], { env: others })
    const [, port] = await command.says(/"port":(\d+)/)
    using talk = await greeted(Number(port))
    expect(await handIn(talk)).toMatch(/^250 /)
    expect((await flow.queue.status())[0]?.accepted).toBe(1)
    command.signal('SIGINT')
    expect(await command.exited).toBe(0)
  })
})
