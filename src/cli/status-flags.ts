// The flags of `fluxmail status`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { queueHelp } from './open-queue.js'
import { type StatusOptions, status } from './status.js'

const help = `
Examples:
  fluxmail status
  fluxmail status --batch spring-2027 --json`

export function addStatus(program: Command, run: Runner): void {
  program
    .command('status')
    .description('print the counts of the lanes, a batch, a delivery or the relays')
    .option('--batch <id>', 'a batch')
    .option('--delivery <id>', 'a delivery')
    .option('--relays', 'the circuits of the relays, and the senders that they refuse')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print it as JSON')
    .addHelpText('after', help)
    .action(run<StatusOptions>(status))
}
