// The flags of `fluxmail workers`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { queueHelp } from './open-queue.js'
import { type WorkersOptions, workers } from './workers.js'

const help = `
A worker that was killed is gone from the list after six seconds.

Examples:
  fluxmail workers
  fluxmail workers --json | jq length`

export function addWorkers(program: Command, run: Runner): void {
  program
    .command('workers')
    .description('list the workers that are alive: where, since when, how fast, and with what')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print them as JSON')
    .addHelpText('after', help)
    .action(run<WorkersOptions>(workers))
}
