// The flags of `fluxmail worker`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { queueHelp } from './open-queue.js'
import { wholeNumber } from './options.js'
import { type WorkerOptions, worker } from './worker.js'

const help = `
The environment configures it: FLUXMAIL_HOST and its like for one relay, or
FLUXMAIL_CONFIG for a JSON file with relays, routes and lanes. SIGTERM or Ctrl-C
lets what is on the wire finish, and puts the rest back.

Examples:
  FLUXMAIL_HOST=smtp.example.com FLUXMAIL_TLS=on fluxmail worker
  FLUXMAIL_PRESET=postmark FLUXMAIL_RATE_PER_SECOND=50 fluxmail worker`

export function addWorker(program: Command, run: Runner): void {
  program
    .command('worker')
    .description('take deliveries out of Redis and hand them to relays')
    .option('--redis <url>', 'where Redis is (default: FLUXMAIL_REDIS_URL)')
    .option(...queueHelp.name)
    .option('--config <file>', 'relays, routes and lanes (default: FLUXMAIL_CONFIG)')
    .option(
      '--http-port <port>',
      'for metrics and health (default: 9464)',
      wholeNumber('--http-port', 0, 65_535),
    )
    .addHelpText('after', help)
    .action(run<WorkerOptions>(worker))
}
