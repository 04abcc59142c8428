// The flags of `fluxmail enqueue`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type EnqueueOptions, enqueue } from './enqueue.js'
import { parseDelimiter, parseEncoding, parseFormat } from './enqueue-rows.js'
import { instantOf, parseSendWindow } from './enqueue-schedule.js'
import { queueHelp } from './open-queue.js'
import { collect, wholeNumber } from './options.js'

const help = `
Rows are CSV, TSV or NDJSON, as the name ends (.csv, .tsv, .ndjson, .jsonl) or
as --format says, packed with gzip or not. Encoding (UTF-8, UTF-16 with its
mark, else Latin-1) and delimiter (, ; tab |) are found by themselves.
The columns are the variables of the templates: {{ name }}. A column
"First name" is {{ First_name }}. A variable that no column fills is an error.
Rows that cannot be sent to are reported by their line and stop nothing, up to
--max-rejects of them; a file without any row that can be exits with 1. Of rows
with the same address the first one counts.
A column "attachments" names files of that row alone, parted by semicolons; they
must be below the folder of the file, or below --attachments-folder.
Whatever stops an import, the same command with the same --batch goes on.

Example:
  fluxmail enqueue --rows people.csv --template spring.html --inline-css \\
    --subject 'Spring walks, {{ name }}' --sender 'Garden <news@example.com>' \\
    --unsubscribe-url 'https://example.com/u?t={{ token | urlencode }}' --wait`

export function addEnqueue(program: Command, run: Runner): void {
  program
    .command('enqueue')
    .description('enqueue a template to every row of a file')
    .option('--rows <file>', 'recipients; - is standard input')
    .option('--csv <file>', 'the same as --rows')
    .requiredOption('--template <file>', 'body: HTML, or plain text if its name ends in .txt')
    .requiredOption('--subject <text>', 'subject, a template too')
    .option('--sender <address>', 'From (default: FLUXMAIL_SENDER)')
    .option('--text-template <file>', 'text beside the HTML (default: made from it)')
    .option('--dry-run', 'check and render every row, show three, and enqueue nothing')
    .option('--format <format>', 'csv, tsv or ndjson (default: by the name of the file)', parseFormat)
    .option('--encoding <name>', 'utf-8, latin1, utf-16le or utf-16be (default: found)', parseEncoding)
    .option('--delimiter <character>', 'what parts the fields, or tab (default: found)', parseDelimiter)
    .option('--to-column <name>', 'column of the address (default: to, email or address)')
    .option('--name-column <name>', 'column of the name in the To header (default: name)')
    .option('--attachments-column <name>', "column of a row's own files (default: attachments)")
    .option('--attachments-folder <folder>', 'where those files are (default: beside the rows)')
    .option('--allow-duplicates', 'send a mail for each row, though its address has had one')
    .option('--reply-to <address>', 'where answers go')
    .option('--attachment <file...>', 'files to attach')
    .option('--inline-image <cid=path...>', 'images for <img src="cid:…">')
    .option('--inline-css', 'move the style rules into the elements')
    .option('--unsubscribe-url <template>', 'https URL for one-click unsubscribing')
    .option('--header <line>', "further header, 'Name: value'; may be repeated", collect)
    .option('--batch <id>', 'id of the batch; the same id again goes on and repeats nothing')
    .option('--lane <lane>', 'lane (default: bulk)')
    .option('--route <route>', "route of relays (default: the worker's)")
    .option(
      '--priority <weight>',
      'share of the lane beside other batches: 1 to 100 (default: 10)',
      wholeNumber('--priority', 1, 100),
    )
    .option('--send-at <time>', 'when it begins, as in 2030-05-01T09:00+02:00', instantOf('--send-at'))
    .option(
      '--send-window <hours>',
      "when mail may go out, as in 'mon-fri 09:00-17:00 Europe/Berlin'",
      parseSendWindow,
    )
    .option('--expires-at <time>', 'after which nothing is sent any more', instantOf('--expires-at'))
    .option('--rejects <file>', 'write rows that cannot be sent to, as CSV')
    .option(
      '--max-rejects <count>',
      'stop when more rows than this cannot be sent to (default: 10000)',
      wholeNumber('--max-rejects', 0),
    )
    .option('--wait', 'wait until nothing is pending')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print the counts as JSON')
    .addHelpText('after', help)
    .action(run<EnqueueOptions>(enqueue))
}
