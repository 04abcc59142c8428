// The flags of `fluxmail demo`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type DemoOptions, demo } from './demo.js'

const help = `
It needs no relay and no running Redis: it starts a private one, an SMTP server
that greylists and refuses some recipients, and a worker process, and ends them
all. It exits with 0 only if every count agrees with what the server recorded.

Example:
  fluxmail demo --stay`

export function addDemo(program: Command, run: Runner): void {
  program
    .command('demo')
    .description('watch a thousand newsletters go from a CSV to an SMTP server')
    .option('--stay', 'keep the inbox open to look at the mails, until Ctrl-C')
    .option('--feed', 'only put its mail into FLUXMAIL_REDIS_URL, until Ctrl-C')
    .option('--json', 'print the counts as JSON, as the last line')
    .addHelpText('after', help)
    .action(run<DemoOptions>(demo))
}
