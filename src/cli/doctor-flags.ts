// The flags of `fluxmail doctor`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type DoctorOptions, doctor } from './doctor.js'
import { queueHelp } from './open-queue.js'

const help = `
It asks Redis with INFO and TIME, and changes nothing. A worker checks the same
when it starts. It exits with 2 where a worker would not start, else with 0.

Examples:
  fluxmail doctor --redis redis://10.0.0.5:6379
  fluxmail doctor --config worker.json --json`

export function addDoctor(program: Command, run: Runner): void {
  program
    .command('doctor')
    .description('check Redis and the configuration of a worker, and say what mends them')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--config <file>', 'relays, routes and lanes of the worker (default: FLUXMAIL_CONFIG)')
    .option('--json', 'print it as JSON')
    .addHelpText('after', help)
    .action(run<DoctorOptions>(doctor))
}
