// The queue that a command works on: as the environment says, and the command line before it.

import { readFileSync } from 'node:fs'
import { type Env, parseConfig, parseConfigFile, parseDurability, workerSchema } from '../config.js'
import { parseEnvironment } from '../environment.js'
import { MailQueue } from '../mail-queue.js'
import { defaultRedisUrl } from '../redis.js'
import { unreadable } from './failure.js'

export interface QueueOptions {
  readonly redis?: string | undefined
  readonly name?: string | undefined
}

export const queueHelp = {
  redis: ['--redis <url>', 'where Redis is (default: FLUXMAIL_REDIS_URL, else redis://127.0.0.1:6379)'],
  name: ['--name <name>', 'what the keys in Redis begin with (default: FLUXMAIL_NAME, else fluxmail)'],
} as const

export function openQueue(options: QueueOptions, env: Env): MailQueue {
  const values = parseEnvironment(env)
  return new MailQueue({
    redis: options.redis ?? values.redis ?? defaultRedisUrl,
    name: options.name ?? values.name,
    lanes: lanesIn(values.config),
    durability: parseDurability(values.durability),
  })
}

/** The lanes of the workers' configuration file, where there is one: the queue must know the same. */
function lanesIn(file: string | undefined): string[] | undefined {
  if (file === undefined) return undefined
  const { lanes } = parseConfig(workerSchema, parseConfigFile(readText(file), file), file)
  return Object.keys(lanes)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw unreadable(`${file} (FLUXMAIL_CONFIG)`, cause)
  }
}
