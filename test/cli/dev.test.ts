import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { openSink } from '../../src/sink/sink.js'
import { freshName } from '../helpers/fresh-name.js'
import { newFolder, writeFiles } from './folder.js'
import { type Command, isGone, startCommand } from './process.js'

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

  test('a port that is taken is named', async () => {
    await using taken = await openSink({ httpPort: false })
    const command = startCommand(['sink', '--port', String(taken.smtpPort), '--no-http'])
    expect(await command.exited).toBe(2)
    expect(command.stderr).toContain(`port ${taken.smtpPort} is in use`)
  })
})

describe('worker', () => {
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
    const worker = startCommand(['worker', '--http-port', '0'], { env })
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
