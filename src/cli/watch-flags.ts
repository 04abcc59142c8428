// The flags of `fluxmail watch`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { queueHelp } from './open-queue.js'
import { positiveNumber } from './options.js'
import { type WatchOptions, watch } from './watch.js'

const help = `
On a terminal it is one view that is drawn anew; elsewhere a line every five
seconds, and one whenever the state changes. It ends when nothing is pending.
Ctrl-C ends the watching (exit code 130) and nothing else.

Examples:
  fluxmail watch spring-2027
  fluxmail watch spring-2027 --exit-status && echo 'all of them are sent'
  fluxmail watch spring-2027 --json --interval 60 >> spring-2027.ndjson`

export function addWatch(program: Command, run: Runner): void {
  program
    .command('watch')
    .description('look on while a batch is sent')
    .argument('<batch>', 'its id')
    .option(
      '--interval <seconds>',
      'time between two looks, or two lines (default: 0.5, or 5)',
      positiveNumber('--interval', 0.1),
    )
    .option('--exit-status', 'exit with 2 where a delivery failed or is unknown, or it was cancelled')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print each line as JSON')
    .addHelpText('after', help)
    .action((id: string, options: Omit<WatchOptions, 'id'>) => run<WatchOptions>(watch)({ ...options, id }))
}
