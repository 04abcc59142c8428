// The flags of `fluxmail forget`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type ForgetCommandOptions, forget } from './forget.js'
import { queueHelp } from './open-queue.js'

const help = `
What waits for the address is not sent and counts as skipped; what is over goes,
with its failures and outcomes. Counts stay: they name nobody. An address that
is suppressed stays so, by a digest that does not tell it.
It asks on a terminal, and needs --yes elsewhere. Exits with 2 where a worker
had a delivery to it, which is then left: run it again.

Examples:
  fluxmail forget ada@example.com --dry-run
  fluxmail forget ada@example.com --suppress --yes`

export function addForget(program: Command, run: Runner): void {
  program
    .command('forget')
    .description('erase what is kept about an address')
    .argument('<address>', 'such as ada@example.com')
    .option('--dry-run', 'count what would be erased, and change nothing')
    .option('--suppress', 'keep a digest of it, so that nothing is sent to it again')
    .option('--yes', 'do not ask')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print the counts as JSON')
    .addHelpText('after', help)
    .action((address: string, options: Omit<ForgetCommandOptions, 'address'>) =>
      run<ForgetCommandOptions>(forget)({ ...options, address }),
    )
}
