// The flags of `fluxmail suppress` and of the commands under it.

import type { Command } from 'commander'
import type { Context, ExitCode, Runner } from './context.js'
import { parseDelimiter, parseEncoding } from './enqueue-rows.js'
import { instantAhead } from './instant-ahead.js'
import { type QueueOptions, queueHelp } from './open-queue.js'
import { positiveNumber, wholeNumber } from './options.js'
import { addSuppressions, removeSuppressions, type SuppressOptions } from './suppress.js'
import { exportSuppressions } from './suppress-export.js'
import { importSuppressions, type SuppressImportOptions } from './suppress-import.js'
import { listSuppressions } from './suppress-list.js'

const help = `
Nothing is sent to an address that is suppressed, nor to any address of a domain
that is: what waits for it is skipped. @example.com is the domain and not its
subdomains.

Examples:
  fluxmail suppress add ada@example.com --reason complaint
  fluxmail suppress import unsubscribed.csv
  fluxmail suppress export > suppressed.csv`

const addHelp = `
Examples:
  fluxmail suppress add ada@example.com --reason complaint
  fluxmail suppress add @example.com --days 30`

const listHelp = `
Examples:
  fluxmail suppress list --reason bounce
  fluxmail suppress list ada@example.com`

const importHelp = `
A file is CSV with a header (a column address, email or to; and reason, since
and expires_at if there are any), NDJSON with the same fields, or a plain list,
one address or @domain a line. It may be packed with gzip.
What a row says of itself goes before --reason, --until and --days.

Examples:
  fluxmail suppress import unsubscribed.csv --reason unsubscribed
  zcat bounced.txt.gz | fluxmail suppress import - --reason bounce --days 90`

export function addSuppress(program: Command, run: Runner): void {
  const suppress = program
    .command('suppress')
    .description('keep addresses and domains that nothing is sent to')
    .usage('<command> [options]')
    .addHelpText('after', help)
  const add = several(suppress, run, 'add', '<address...>', addSuppressions)
  withTerm(add).description('suppress addresses or domains').addHelpText('after', addHelp)
  several(suppress, run, 'remove', '<address...>', removeSuppressions)
    .description('let mail go to them again')
    .addHelpText('after', '\nExample:\n  fluxmail suppress remove ada@example.com')
  several(suppress, run, 'list', '[address...]', listSuppressions)
    .description('list the newest, or say what holds for some addresses')
    .option('--reason <words>', 'only those with this reason')
    .option('--limit <n>', 'so many at the most (default: 20)', wholeNumber('--limit', 1, 100_000))
    .addHelpText('after', listHelp)
  addImport(suppress, run)
  suppress
    .command('export')
    .description('print all of them as CSV')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .addHelpText('after', '\nExample:\n  fluxmail suppress export > suppressed.csv')
    .action(run<QueueOptions>(exportSuppressions))
}

type Order<O> = (options: O, context: Context) => Promise<ExitCode>

/** Adds a command that takes addresses. */
function several<O extends SuppressOptions>(
  suppress: Command,
  run: Runner,
  name: string,
  argument: string,
  order: Order<O>,
): Command {
  return suppress
    .command(name)
    .argument(argument, 'such as ada@example.com, or @example.com')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print it as JSON')
    .action((addresses: string[], options: O) => run<O>(order)({ ...options, addresses }))
}

function withTerm(command: Command): Command {
  return command
    .option('--reason <words>', 'such as complaint (default: manual)')
    .option('--until <time>', 'until then, as in 2027-03-01T12:00', instantAhead('--until'))
    .option('--days <n>', 'for so many days', positiveNumber('--days', 0.001))
}

function addImport(suppress: Command, run: Runner): void {
  const command = suppress
    .command('import')
    .description('suppress all addresses of a file')
    .argument('<file>', 'CSV, NDJSON or one address a line; - is standard input')
  withTerm(command)
    .option('--to-column <name>', 'column of the address (default: to, email or address)')
    .option('--encoding <name>', 'utf-8, latin1, utf-16le or utf-16be (default: found)', parseEncoding)
    .option('--delimiter <character>', 'what parts the fields, or tab (default: found)', parseDelimiter)
    .option('--rejects <file>', 'write what is no address, as CSV')
    .option(
      '--max-rejects <count>',
      'stop at more of them than this (default: 10000)',
      wholeNumber('--max-rejects', 0),
    )
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print the counts as JSON')
    .addHelpText('after', importHelp)
    .action((file: string, options: Omit<SuppressImportOptions, 'file'>) =>
      run<SuppressImportOptions>(importSuppressions)({ ...options, file }),
    )
}
