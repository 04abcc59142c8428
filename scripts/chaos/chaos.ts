// `npm run chaos -- --seed N --minutes M`: real processes under a nemesis that follows the seed, and whether the
// promise held. Exit code 0 when it held, 1 when it was broken anywhere, 2 for a wrong command line, 3 when the run
// itself went wrong and showed nothing.

import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Command, InvalidArgumentError, Option } from 'commander'
import { check, isBroken } from './checker.js'
import type { Deed } from './nemesis.js'
import { actionKinds } from './plan.js'
import { type Run, runChaos } from './run.js'
import type { ChaosOptions, PolicyChoice } from './settings.js'
import { reportJson, reportLines } from './table.js'

interface Flags extends Omit<ChaosOptions, 'seed' | 'folder'> {
  readonly seed?: number
  readonly policy: PolicyChoice
  readonly folder?: string
  readonly json?: boolean
}

const examples = `
Examples:
  npm run chaos                             another seed each time, two minutes
  npm run chaos -- --seed 7 --minutes 5     the same again, for longer
  npm run chaos -- --policy hold --only kill-worker kill-redis
  npm run chaos -- --seed 7 --folder /tmp/chaos-7    and keep every record

It prints what it does, then a table of what became of every delivery, and
exits with 0 when the promise held, 1 when it was broken anywhere, 2 for a wrong
command line, 3 when the run itself went wrong. Records are kept where the
promise was broken; otherwise only with --folder.`

const say = (text: string) => void process.stderr.write(`${text}\n`)

function numberFrom(min: number, isGood = Number.isFinite) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && value >= min && isGood(value)) return value
    const kind = isGood === Number.isFinite ? 'number' : 'whole number'
    throw new InvalidArgumentError(`It must be a ${kind} from ${min} on.`)
  }
}

const program = new Command('npm run chaos --')
  .description(
    'Sends mail through workers, a Redis and a network that fail as the seed says, and checks the promise.',
  )
  .option('--seed <number>', 'what the run follows; random if not given', numberFrom(0, Number.isSafeInteger))
  .option('--minutes <number>', 'how long the nemesis has', numberFrom(0.01), 2)
  .addOption(
    new Option('--policy <policy>', 'for unknown; both: bulk holds and transactional resends')
      .choices(['hold', 'resend', 'both'])
      .default('both'),
  )
  .option('--redis <url>', 'a Redis to use, which is then left alone; a private one unless given')
  .addOption(new Option('--only <actions...>', 'of the actions only these').choices([...actionKinds]))
  .option('--calm', 'without any action: the run has to be perfect', false)
  .option('--folder <path>', 'an empty folder, where records and logs stay')
  .option('--json', 'the report as JSON')
  .addHelpText('after', examples)
  .configureHelp({ helpWidth: 80 })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort())
process.exit(await main(program.opts<Flags>()))

async function main(flags: Flags): Promise<number> {
  const folder = await openFolder(flags.folder)
  if (folder === undefined) return 2
  const code = await inFolder(folder, flags)
  if (flags.folder === undefined && (code === 0 || stop.signal.aborted))
    await rm(folder, { recursive: true, force: true })
  else say(`records and logs: ${folder}`)
  return code
}

/** What another run left behind would be judged as this one's. */
async function openFolder(given: string | undefined): Promise<string | undefined> {
  if (given === undefined) return mkdtemp(join(tmpdir(), 'fluxmail-chaos-'))
  await mkdir(given, { recursive: true })
  if ((await readdir(given)).length === 0) return given
  say(`error: option '--folder <path>' argument '${given}' is invalid. It must be an empty folder.`)
  return undefined
}

async function inFolder(folder: string, flags: Flags): Promise<number> {
  const options = { ...flags, folder, seed: flags.seed ?? Math.floor(Math.random() * 1e6) }
  const { seed, minutes, policy } = options
  const again = `npm run chaos -- --seed ${seed} --minutes ${minutes} --policy ${policy}`
  say(`chaos: seed ${seed}, ${minutes} min, policy ${policy}`)
  const startedAt = performance.now()
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)
  const deed = ({ action, done }: Deed) =>
    say(`${seconds()} s  ${describe(action)}${done ? '' : '  (left out)'}`)
  const phase = (text: string) => say(`${seconds()} s  ${text}`)
  try {
    const run = await runChaos(options, { deed, phase }, stop.signal)
    phase(`drained in ${(run.drainMs / 1000).toFixed(1)} s`)
    const isHeld = print(run, flags, seed)
    if (!isHeld) say(`again: ${again}`)
    return isHeld ? 0 : 1
  } catch (error) {
    if (stop.signal.aborted) {
      say('stopped; nothing was checked')
      return 130
    }
    say(`the run went wrong and shows nothing: ${inspect(error)}\nagain: ${again}`)
    return 3
  }
}

function print({ evidence, deeds, workers }: Run, { json, minutes, policy }: Flags, seed: number): boolean {
  const report = check(evidence)
  if (report.accepted === 0) throw new Error('nothing was accepted')
  const actions = deeds.filter(({ done }) => done).length
  const facts = { seed, minutes, policy, actions, workers }
  const shown = json
    ? JSON.stringify({ ...facts, ...reportJson(report) })
    : reportLines(report, evidence, facts).join('\n')
  process.stdout.write(`${shown}\n`)
  return !isBroken(report)
}

function describe({ kind, forMs, worker, share }: Deed['action']): string {
  const where = kind.endsWith('-worker') ? ` ${worker}` : ''
  const how = kind === 'cut-after-dot' || kind === 'swallow-reply' ? ` at ${share} of 100 dots` : ''
  return `${kind}${where} for ${(forMs / 1000).toFixed(1)} s${how}`
}
