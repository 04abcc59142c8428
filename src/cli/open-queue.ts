// The queue that a command works on: as the environment says, and the command line before it.

import { readFileSync } from 'node:fs'
import { type Env, parseConfig, parseConfigFile, parseDurability, workerSchema } from '../config.js'
import { parseEnvironment } from '../environment.js'
import { MailQueue } from '../mail-queue.js'
import { redisTargetOf } from '../ops/redis-settings.js'
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
  const { lanes, shards } = placesIn(values.config)
  return new MailQueue({
    redis: redisTargetOf(values, options.redis),
    name: options.name ?? values.name,
    lanes,
    shards: values.shards ?? shards,
    durability: parseDurability(values.durability),
  })
}

/** What the workers' configuration file says of lanes, where there is one: the queue must know the same. */
function placesIn(file: string | undefined): { lanes?: string[]; shards?: number } {
  if (file === undefined) return {}
  const { lanes, shards } = parseConfig(workerSchema, parseConfigFile(readText(file), file), file)
  return { lanes: Object.keys(lanes), shards }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw unreadable(`${file} (FLUXMAIL_CONFIG)`, cause)
  }
}
