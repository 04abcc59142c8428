// The flags of `fluxmail failures`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type FailuresOptions, failures } from './failures.js'
import { addFilter } from './filter-flags.js'
import { queueHelp } from './open-queue.js'

const help = `
Examples:
  fluxmail failures --batch spring-2027
  fluxmail failures --batch spring-2027 --group 1f0c9a3e --csv > unknown-users.csv
  fluxmail failures --lane bulk --since 6h --json

Unknown ones are told of with their Message-ID, by which the log of the relay
knows them: fluxmail failures --unknown --csv. What it says goes to
\`fluxmail resolve --file\`.`

export function addFailures(program: Command, run: Runner): void {
  const command = program
    .command('failures')
    .description('list what failed or is unknown, in groups of alike replies')
  addFilter(command)
    .option('--unknown', 'only those of which nobody knows whether they were sent')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--csv', 'print a line for each recipient')
    .option('--json', 'print the groups as JSON')
    .addHelpText('after', help)
    .action(run<FailuresOptions>(failures))
}
