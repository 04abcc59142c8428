// The flags of `fluxmail replay`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { addFilter } from './filter-flags.js'
import { queueHelp } from './open-queue.js'
import { positiveNumber } from './options.js'
import { type ReplayCommandOptions, replay } from './replay.js'

const help = `
Examples:
  fluxmail replay --batch spring-2027 --group 1f0c9a3e --dry-run
  fluxmail replay --batch spring-2027 --group 1f0c9a3e --why 'the blocklist let go of us'
  fluxmail replay --lane bulk --domain example.com --since 2d --rate 50

Who was sent the mail is never sent it again. Unknown ones may have been sent:
they are replayed only with --include-unknown, and may then arrive twice. Who is
suppressed, as by a bounce, is left: fluxmail suppress remove comes first.
Ctrl-C stops it between two deliveries; the same command again goes on.`

export function addReplay(program: Command, run: Runner): void {
  const command = program.command('replay').description('try deliveries once more that failed')
  addFilter(command)
    .option('--dry-run', 'count what would be replayed, by group, and change nothing')
    .option('--rate <n>', 'replay so many a second', positiveNumber('--rate', 0.001))
    .option('--why <words>', 'kept with each delivery and its batch, and shown by `fluxmail explain`')
    .option('--include-unknown', 'also those of which nobody knows whether they were sent')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', help)
    .action(run<ReplayCommandOptions>(replay))
}
