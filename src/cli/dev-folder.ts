// `.fluxmail/` in the folder where `fluxmail dev` runs: the data of its Redis, its ports, its worker's configuration.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { type Env, parseConfigFile, type WorkerConfigInput } from '../config.js'
import { parseEnvironment } from '../environment.js'
import { FluxMailError, messageOf } from '../errors.js'
import { unreadable } from './failure.js'

export interface DevFolder {
  readonly path: string
  readonly redis: string
  readonly state: string
  readonly workerConfig: string
}

const portsSchema = z.object({ pid: z.number(), redis: z.number(), smtp: z.number(), http: z.number() })
type DevState = z.output<typeof portsSchema>
export type DevPorts = Omit<DevState, 'pid'>

export async function devFolder(): Promise<DevFolder> {
  const path = resolve('.fluxmail')
  try {
    await mkdir(path, { recursive: true })
    // What is in it is nobody's source.
    await writeFile(join(path, '.gitignore'), '*\n')
  } catch (cause) {
    throw new FluxMailError('setup_failed', `${path} cannot be used: ${messageOf(cause)}`, { cause })
  }
  return {
    path,
    redis: join(path, 'redis'),
    state: join(path, 'dev.json'),
    workerConfig: join(path, 'dev-worker.json'),
  }
}

/** The ports of the last time, so that what was given to an app stays true. */
export async function lastDevPorts(folder: DevFolder): Promise<DevState | undefined> {
  const text = await readFile(folder.state, 'utf8').catch(() => '{}')
  try {
    return portsSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

export async function keepDevPorts(folder: DevFolder, ports: DevPorts): Promise<void> {
  await writeFile(folder.state, `${JSON.stringify({ pid: process.pid, ...ports })}\n`)
}

/** @throws FluxMailError `setup_failed` when another `fluxmail dev` runs in this folder */
export async function requireNoOther(folder: DevFolder): Promise<void> {
  const last = await lastDevPorts(folder)
  if (last === undefined || !isAlive(last.pid) || !(await isOpen(last.redis))) return
  throw new FluxMailError(
    'setup_failed',
    `fluxmail dev is already running in this folder, as process ${last.pid}: ` +
      `Redis on port ${last.redis}, SMTP on ${last.smtp}, the inbox at http://127.0.0.1:${last.http}/`,
  )
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** The port if it is free; else 0, which takes any. */
export async function freePortOr(port: number): Promise<number> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return port
  } catch {
    return 0
  } finally {
    server.close()
  }
}

/** The lanes and routes of the app's own configuration, with every relay in it replaced by the server here. */
export async function devWorkerConfig(folder: DevFolder, smtpPort: number, env: Env): Promise<string> {
  const own = readOwnConfig(parseEnvironment(env).config)
  const relay = { host: '127.0.0.1', port: smtpPort }
  const names = Object.keys(own?.relays ?? { sink: relay })
  const config = { ...own, relays: Object.fromEntries(names.map((name) => [name, relay])) }
  await writeFile(folder.workerConfig, `${JSON.stringify(config, undefined, 2)}\n`)
  return folder.workerConfig
}

function readOwnConfig(file: string | undefined): WorkerConfigInput | undefined {
  if (file === undefined) return undefined
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw unreadable(`${file} (FLUXMAIL_CONFIG)`, cause)
  }
  return parseConfigFile(text, file) as WorkerConfigInput
}
