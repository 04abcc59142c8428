// The flags of `fluxmail dev`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type DevOptions, dev } from './dev.js'
import { wholeNumber } from './options.js'

const help = `
Everything your app needs to send, and nobody is mailed: a private Redis with
its data in .fluxmail/, an SMTP server with an inbox page, and a worker. A port
that is taken is replaced by a free one.

Example:
  fluxmail dev`

export function addDev(program: Command, run: Runner): void {
  const port = (flag: string) => wholeNumber(flag, 1, 65_535)
  program
    .command('dev')
    .description('run Redis, an SMTP server and a worker for the app you build')
    .option('--redis-port <port>', 'preferred port of Redis', port('--redis-port'))
    .option('--smtp-port <port>', 'preferred port of the SMTP server', port('--smtp-port'))
    .option('--http-port <port>', 'preferred port of the inbox page', port('--http-port'))
    .option('--json', 'print the environment as JSON')
    .addHelpText('after', help)
    .action(run<DevOptions>(dev))
}
