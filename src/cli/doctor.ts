// `fluxmail doctor`: what is wrong with Redis and with what a worker would have here, and what mends it.

import { systemClock } from '../clock.js'
import { parseConfig, workerSchema } from '../config.js'
import { type EnvironmentValues, parseEnvironment } from '../environment.js'
import { speakingOfVariables, workerConfigOf } from '../ops/deliver.js'
import { examine, type Facts, type Finding } from '../ops/doctor.js'
import { gatherFacts, workerFacts } from '../ops/doctor-facts.js'
import { redisTargetOf } from '../ops/redis-settings.js'
import {
  checkName,
  createRedis,
  defaultName,
  disconnect,
  type RedisTarget,
  ready,
  unavailable,
} from '../redis.js'
import { padEnd, visible, widthOf, wrap } from '../terminal/text.js'
import { type Context, columnsOf, type ExitCode, exitCodes, paintFor, type Style, say } from './context.js'
import { speakingOfFlags } from './flag-words.js'
import { workerWords } from './worker.js'

export interface DoctorOptions {
  readonly redis?: string
  readonly name?: string
  readonly config?: string
  readonly json?: boolean
}

/** Exits with 0 also where it warns, and with 2 where a worker would refuse to start. */
export async function doctor(options: DoctorOptions, context: Context): Promise<ExitCode> {
  const values = parseEnvironment(context.env)
  const worker = await speakingOfFlags(workerWords(options, context.env), async () =>
    configuredWorker({ ...values, ...(options.config ? { config: options.config } : {}) }),
  )
  const target = redisTargetOf(values, options.redis)
  const findings = examine(await look(target, checkName(options.name ?? values.name ?? defaultName), worker))
  const lines = options.json ? [JSON.stringify(findings)] : linesOf(findings, context)
  for (const line of lines) say(context.stdout, line)
  return findings.some(({ verdict }) => verdict === 'refused') ? exitCodes.fluxMail : exitCodes.done
}

/** What a worker would have here, where one is configured. */
function configuredWorker(values: EnvironmentValues): Facts['worker'] {
  if ((values.host ?? values.preset ?? values.config) === undefined) return undefined
  const where = 'the configuration of the worker'
  return workerFacts(
    speakingOfVariables(values, () => parseConfig(workerSchema, workerConfigOf(values), where)),
  )
}

async function look(target: RedisTarget, name: string, worker: Facts['worker']): Promise<Facts> {
  const redis = createRedis(target, 'producer', { name })
  try {
    await ready(redis)
    return await gatherFacts(redis, systemClock, worker)
  } catch (error) {
    throw unavailable(error)
  } finally {
    disconnect(redis)
  }
}

const styles: Readonly<Record<Finding['verdict'], Style>> = { ok: 'green', warning: 'yellow', refused: 'red' }
const GAP = 2

function linesOf(findings: readonly Finding[], { stdout, env }: Context): string[] {
  const paint = paintFor(stdout, env)
  const width = (texts: readonly string[]) => Math.max(...texts.map(widthOf)) + GAP
  const verdictWidth = width(findings.map(({ verdict }) => verdict))
  const indent = verdictWidth + width(findings.map(({ check }) => check))
  const room = columnsOf(stdout) - indent
  return findings.flatMap(({ check, verdict, message, mend }) => {
    const [first = '', ...more] = wrap(visible(message), room)
    const mending = mend === undefined ? [] : wrap(visible(`mend it: ${mend}`), room)
    const head = paint(styles[verdict], padEnd(verdict, verdictWidth)) + padEnd(check, indent - verdictWidth)
    return [head + first, ...[...more, ...mending].map((line) => ' '.repeat(indent) + line)]
  })
}
