import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { openSink } from '../../src/sink/sink.js'
import { freshName } from '../helpers/fresh-name.js'
import { newFolder, writeFiles } from './folder.js'
import { type Command, isGone, startCommand } from './process.js'
import { run } from './terminal.js'

interface Environment {
  readonly environment: Record<string, string>
  readonly inbox: string
  readonly metrics: string
}

async function environmentOf(command: Command): Promise<Environment> {
  const [line] = await command.says(/^\{.*\}$/m)
  return JSON.parse(line) as Environment
}

describe('dev', () => {
  test('gives an app the environment to send by, and keeps data and ports for the next time', {
    timeout: 60_000,
  }, async () => {
    const cwd = await newFolder()
    const first = startCommand(['dev', '--json'], { cwd })
    const { environment, inbox, metrics } = await environmentOf(first)
    expect(Object.keys(environment)).toEqual([
      'FLUXMAIL_REDIS_URL',
      'FLUXMAIL_HOST',
      'FLUXMAIL_PORT',
      'FLUXMAIL_SENDER',
    ])
    const [csv = '', template = ''] = await writeFiles({
      'a.csv': 'email\nada@example.com\n',
      'a.txt': 'Hello',
    })
    const enqueue = [
      'enqueue',
      '--csv',
      csv,
      '--template',
      template,
      '--subject',
      'Hi',
      '--sender',
      'me@example.com',
      '--batch',
      'a',
    ]
    expect(await startCommand([...enqueue, '--wait'], { env: environment }).exited).toBe(0)
    expect(await (await fetch(inbox)).text()).toContain('ada@example.com')
    expect(await (await fetch(metrics)).text()).toContain('fluxmail_messages_sent_total')
    first.signal('SIGINT')
    expect(await first.exited).toBe(0)

    const again = startCommand(['dev', '--json'], { cwd })
    expect((await environmentOf(again)).environment).toEqual(environment)
    const status = startCommand(['status', '--batch', 'a', '--json'], { env: environment })
    expect(await status.exited).toBe(0)
    expect(JSON.parse(status.stdout)).toMatchObject({ total: 1, sent: 1 })
  })

  test('says that one is running already, and where', { timeout: 60_000 }, async () => {
    const cwd = await newFolder()
    const first = startCommand(['dev', '--json'], { cwd })
    await environmentOf(first)
    const second = startCommand(['dev'], { cwd })
    expect(await second.exited).toBe(2)
    expect(second.stderr).toContain(`already running in this folder, as process ${first.pid}: Redis on port`)
    expect(second.stderr).toMatch(/\(setup_failed\)\n$/)
  })

  test('prints lines to paste, and takes free ports for those that are taken', {
    timeout: 60_000,
  }, async () => {
    await using taken = await openSink()
    const ports = ['--smtp-port', String(taken.smtpPort), '--http-port', String(taken.httpPort)]
    const command = startCommand(['dev', ...ports], { cwd: await newFolder() })
    const [, port] = await command.says(/^export FLUXMAIL_PORT=(\d+)$/m)
    expect(Number(port)).not.toBe(taken.smtpPort)
    expect(command.stdout).toMatch(
      /^export FLUXMAIL_REDIS_URL=redis:\/\/127\.0\.0\.1:\d+\nexport FLUXMAIL_HOST=127\.0\.0\.1\n/m,
    )
  })

  test('prints lines that a shell reads as they were meant', { timeout: 60_000 }, async () => {
    const sender = `Conan O'Brien <me@example.com>`
    const command = startCommand(['dev'], { cwd: await newFolder(), env: { FLUXMAIL_SENDER: sender } })
    await command.says(/^export FLUXMAIL_SENDER=/m)
    const lines = command.stdout.match(/^export .*$/gm) ?? []
    const script = `${lines.join('\n')}\nprintf '%s' "$FLUXMAIL_SENDER"`
    const { stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
    expect({ stdout, stderr }).toEqual({ stdout: sender, stderr: '' })
  })

  test('replaces every relay of a configuration by its own server, so that nobody is mailed', {
    timeout: 60_000,
  }, async () => {
    const cwd = await newFolder()
    const retry = { delaysMs: [1000], jitter: 0, maxAgeMs: 60_000 }
    const config = {
      relays: { real: { host: 'smtp.example.com', port: 25 } },
      routes: { news: ['real'] },
      lanes: { bulk: { retry, unknown: 'hold' } },
    }
    const [file = ''] = await writeFiles({ 'worker.json': JSON.stringify(config) })
    const command = startCommand(['dev', '--json'], { cwd, env: { FLUXMAIL_CONFIG: file } })
    const { environment } = await environmentOf(command)
    const written = JSON.parse(
      await readFile(join(cwd, '.fluxmail', 'dev-worker.json'), 'utf8'),
    ) as typeof config
    const relay = { host: '127.0.0.1', port: Number(environment.FLUXMAIL_PORT) }
    expect(written).toEqual({ ...config, relays: { real: relay } })
  })

  test('a second Ctrl-C ends it at once, with nothing left behind', { timeout: 60_000 }, async () => {
    const command = startCommand(['dev', '--json'], { cwd: await newFolder() })
    const { inbox } = await environmentOf(command)
    command.signal('SIGINT')
    command.signal('SIGINT')
    expect([0, 130]).toContain(await command.exited)
    await isGone(command.pid)
    await expect(fetch(inbox)).rejects.toThrow('fetch failed')
  })
})

describe('sink', () => {
  test('prints where it is, records what it gets, and ends with Ctrl-C', async () => {
    const command = startCommand(['sink', '--port', '0', '--http-port', '0', '--json'])
    const [line] = await command.says(/^\{.*\}$/m)
    const { smtpUrl, url } = JSON.parse(line) as { smtpUrl: string; url: string }
    const port = new URL(smtpUrl).port
    const mail = [
      '--sender',
      'me@example.com',
      '--recipients',
      'ada@example.com',
      '--subject',
      'Hi',
      '--body',
      'Hello',
    ]
    expect(await startCommand(['send', '--host', '127.0.0.1', '--port', port, ...mail]).exited).toBe(0)
    expect(await (await fetch(url)).text()).toContain('ada@example.com')
    command.signal('SIGTERM')
    expect(await command.exited).toBe(0)
    expect(command.stderr).toContain('recorded 1 message over 1 connection')
  })

  test.each<[string[], RegExp]>([
    [['--secure'], /--secure needs --cert and --key/],
    [['--username', '', '--password', ''], /--username and --password must not be empty/],
  ])('%j is a fault of the command line, said in its words', async (args, message) => {
    const { exitCode, stderr } = await run(['sink', '--port', '0', '--no-http', ...args])
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(message)])
  })

  test('a certificate that is none is named', async () => {
    const [cert = '', key = ''] = await writeFiles({ 'cert.pem': 'x', 'key.pem': 'y' })
    const { exitCode, stderr } = await run(['sink', '--port', '0', '--no-http', '--cert', cert, '--key', key])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`--cert ${cert} and --key ${key} cannot be used`)
  })

  test('a port that is taken is named', async () => {
    await using taken = await openSink({ httpPort: false })
    const command = startCommand(['sink', '--port', String(taken.smtpPort), '--no-http'])
    expect(await command.exited).toBe(2)
    expect(command.stderr).toContain(`port ${taken.smtpPort} is in use; choose another --port (setup_failed)`)
    expect(command.stderr).not.toMatch(/smtpPort/)
  })
})

describe('worker', () => {
  test.each<[string[], RegExp]>([
    [['--config', 'nope.json'], /^\[FluxMail ERROR\] --config names nope\.json, which cannot be read: /],
    [['--redis', 'localhost'], /--redis must be a URL/],
    [['--name', 'a b'], /--name must be 1 to 64/],
  ])('%j is a fault of the command line, said in its words', async (args, message) => {
    const relay = args[0] === '--config' ? {} : { FLUXMAIL_HOST: '127.0.0.1' }
    const { exitCode, stderr } = await run(['worker', ...args], { env: relay })
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/FLUXMAIL_/)
  })

  test('what is wrong in its configuration is said with the name of the file', async () => {
    const [broken = '', wrong = ''] = await writeFiles({
      'broken.json': '{',
      'wrong.json': '{ "relays": { "a": { "host": "" } } }',
    })
    const notJson = await run(['worker', '--config', broken])
    expect([notJson.exitCode, notJson.stderr]).toEqual([1, expect.stringContaining(`${broken} is not JSON`)])
    const { exitCode, stderr } = await run(['worker', '--config', wrong])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`--config: ${wrong} is wrong:\n  relays.a.host: must name the relay`)
  })

  test('runs until a signal and exits with 0', { timeout: 60_000 }, async () => {
    await using sink = await openSink({ httpPort: false })
    const env = {
      FLUXMAIL_REDIS_URL: inject('redisUrl'),
      FLUXMAIL_NAME: freshName(),
      FLUXMAIL_HOST: '127.0.0.1',
      FLUXMAIL_PORT: String(sink.smtpPort),
    }
    const [csv = '', template = ''] = await writeFiles({
      'a.csv': 'email\nada@example.com\n',
      'a.txt': 'Hello',
    })
    const { FLUXMAIL_NAME: name, ...others } = env
    const worker = startCommand(['worker', '--http-port', '0', '--name', name], { env: others })
    const enqueue = [
      'enqueue',
      '--csv',
      csv,
      '--template',
      template,
      '--subject',
      'Hi',
      '--sender',
      'me@example.com',
      '--wait',
    ]
    expect(await startCommand(enqueue, { env }).exited).toBe(0)
    expect(sink.messages).toHaveLength(1)
    worker.signal('SIGTERM')
    expect(await worker.exited, worker.stderr).toBe(0)
  })

  test('without a relay it is refused with what to set', async () => {
    const command = startCommand(['worker'])
    expect(await command.exited).toBe(2)
    expect(command.stderr).toMatch(/FLUXMAIL_HOST.*\(invalid_config\)\n$/s)
  })
})
