// The flags of `fluxmail limits` and of the commands under it.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { UsageError } from './failure.js'
import {
  type LimitsOptions,
  type ResetLimitsOptions,
  resetLimits,
  type SetLimitsOptions,
  setLimits,
  showLimits,
} from './limits.js'
import { queueHelp } from './open-queue.js'

const help = `
Limits are those of the whole fleet. What is set goes before what the workers
are configured with, outlives restarts, and is known to all of them in a second.

Examples:
  fluxmail limits
  fluxmail limits set main --rate 100
  fluxmail limits set main --provider google --rate 5
  fluxmail limits reset main`

const setHelp = `
Each takes a number, or none to take a configured limit away. What is not named
stays as it is.

Examples:
  fluxmail limits set main --rate 100 --burst 50
  fluxmail limits set main --rate none
  fluxmail limits set main --provider microsoft --rate 2.5
  fluxmail limits set main --connections 4 --per-day 50000`

const resetHelp = `
Examples:
  fluxmail limits reset main
  fluxmail limits reset main --provider google`

export function addLimits(program: Command, run: Runner): void {
  const limits = program
    .command('limits')
    .description('see how fast the relays may be used, and change it while they are')
    .usage('[command] [options]')
    .addHelpText('after', help)
  withQueue(limits.command('show [relay...]', { isDefault: true }))
    .description('show the limits, what is used of them, and what slows them down')
    .addHelpText('after', '\nExamples:\n  fluxmail limits\n  fluxmail limits show main --json')
    .action((relays: string[], options: Omit<LimitsOptions, 'relays'>) =>
      run<LimitsOptions>(showLimits)({ ...options, relays }),
    )
  withQueue(limits.command('set <relay>'))
    .description('set limits of a relay, for all workers')
    .option('--rate <n>', 'messages a second', limitOf('--rate', 0.001, 1_000_000))
    .option('--burst <n>', 'how many more may leave within one second', limitOf('--burst', 1))
    .option('--connections <n>', 'open connections, of all workers', wholeLimitOf('--connections'))
    .option('--per-day <n>', 'messages within 24 hours', wholeLimitOf('--per-day'))
    .option('--provider <name>', 'only mail to this provider: --rate and --burst')
    .addHelpText('after', setHelp)
    .action((relay: string, options: Omit<SetLimitsOptions, 'relay'>) =>
      run<SetLimitsOptions>(setLimits)({ ...options, relay }),
    )
  withQueue(limits.command('reset <relay>'))
    .description('take back what was set: what is configured holds again')
    .option('--provider <name>', 'only what was set for this provider')
    .addHelpText('after', resetHelp)
    .action((relay: string, options: Omit<ResetLimitsOptions, 'relay'>) =>
      run<ResetLimitsOptions>(resetLimits)({ ...options, relay }),
    )
}

function withQueue(command: Command): Command {
  return command
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print it as JSON')
}

// An option whose value is null is taken for one without a value, so that none stays a word.
function limitOf(flag: string, min: number, max?: number): (text: string) => number | 'none' {
  return (text) => {
    if (text === 'none') return text
    const number = Number(text)
    const fits = number >= min && number <= (max ?? Number.MAX_SAFE_INTEGER)
    if (text.trim() !== '' && Number.isFinite(number) && fits) return number
    const range = max === undefined ? `of ${min} or more` : `from ${min} to ${max}`
    throw new UsageError(`${flag} takes a number ${range}, or none, not "${text}"`)
  }
}

function wholeLimitOf(flag: string): (text: string) => number | 'none' {
  return (text) => {
    if (text === 'none') return text
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= 1 && number <= Number.MAX_SAFE_INTEGER) return number
    throw new UsageError(`${flag} takes a whole number of 1 or more, or none, not "${text}"`)
  }
}
