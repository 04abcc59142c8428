// `npm run chaos -- --seed N --minutes M`: real processes under a nemesis that follows the seed, and whether the
// promise held. Exit code 0 when it held, 1 when it was broken anywhere, 2 for a wrong command line.

import { Command, InvalidArgumentError, Option } from 'commander'
import { check, isBroken } from './checker.js'
import type { Deed } from './nemesis.js'
import { actionKinds } from './plan.js'
import { runChaos } from './run.js'
import type { ChaosOptions, PolicyChoice } from './settings.js'
import { reportJson, reportLines } from './table.js'

interface Flags extends Omit<ChaosOptions, 'policy'> {
  readonly policy: PolicyChoice
  readonly json?: boolean
}

const say = (text: string) => void process.stderr.write(`${text}\n`)

function numberFrom(min: number) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && value >= min) return value
    throw new InvalidArgumentError(`It must be a number from ${min} on.`)
  }
}

const program = new Command('chaos')
  .description(
    'Sends mail through workers, a Redis and a network that fail as the seed says, and checks the promise.',
  )
  .option('--seed <number>', 'what the run follows; another one each time unless given', numberFrom(0))
  .option('--minutes <number>', 'how long the nemesis has', numberFrom(0.01), 2)
  .addOption(
    new Option('--policy <policy>', 'for unknown; both: bulk holds and transactional resends')
      .choices(['hold', 'resend', 'both'])
      .default('both'),
  )
  .option('--redis <url>', 'a Redis to use, which is then left alone; a private one unless given')
  .addOption(new Option('--only <actions...>', 'of the actions only these').choices([...actionKinds]))
  .option('--calm', 'without any action: the run has to be perfect', false)
  .option('--folder <path>', 'where the records and logs stay; a temporary folder unless given')
  .option('--json', 'the report as JSON')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort())
process.exit(await main({ ...program.opts<Flags>() }))

async function main(flags: Flags): Promise<number> {
  const seed = flags.seed ?? Math.floor(Math.random() * 1e6)
  const { minutes, policy, json } = flags
  say(`chaos: seed ${seed}, ${minutes} min, policy ${policy}`)
  const startedAt = performance.now()
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)
  const deed = ({ action, done }: Deed) =>
    say(`${seconds()} s  ${describe(action)}${done ? '' : '  (left out)'}`)
  const phase = (text: string) => say(`${seconds()} s  ${text}`)
  try {
    const run = await runChaos({ ...flags, seed }, { deed, phase }, stop.signal)
    const report = check(run.evidence)
    say(
      `${seconds()} s  drained in ${(run.drainMs / 1000).toFixed(1)} s; ${run.workers} workers; records: ${run.folder}`,
    )
    const shown = json
      ? JSON.stringify({ seed, minutes, policy, ...reportJson(report) })
      : reportLines(report).join('\n')
    process.stdout.write(`${shown}\n`)
    return isBroken(report) ? 1 : 0
  } catch (error) {
    if (!stop.signal.aborted) throw error
    say('stopped; nothing was checked')
    return 130
  }
}

function describe({ kind, forMs, worker, share }: Deed['action']): string {
  const where = kind.endsWith('-worker') ? ` ${worker}` : ''
  const how = kind === 'cut-after-dot' || kind === 'swallow-reply' ? ` at ${share} of 100 dots` : ''
  return `${kind}${where} for ${(forMs / 1000).toFixed(1)} s${how}`
}
