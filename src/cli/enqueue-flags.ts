// The flags of `fluxmail enqueue`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type EnqueueOptions, enqueue } from './enqueue.js'
import { queueHelp } from './open-queue.js'
import { collect } from './options.js'

const help = `
The columns of the CSV are the variables of the templates: {{ name }}. A column
"First name" is {{ First_name }}. A variable that no column fills is an error.
Rows that cannot be sent to are reported by their line and stop nothing; a CSV
without any row that can be exits with 1. An address in two rows gets two mails.

Example:
  fluxmail enqueue --csv people.csv --template spring.html --inline-css \\
    --subject 'Spring walks, {{ name }}' --sender 'Garden <news@example.com>' \\
    --unsubscribe-url 'https://example.com/u?t={{ token | urlencode }}' --wait`

export function addEnqueue(program: Command, run: Runner): void {
  program
    .command('enqueue')
    .description('enqueue a template to every row of a CSV')
    .requiredOption('--csv <file>', 'recipients: UTF-8, with a header')
    .requiredOption('--template <file>', 'body: HTML, or plain text if its name ends in .txt')
    .requiredOption('--subject <text>', 'subject, a template too')
    .option('--sender <address>', 'From (default: FLUXMAIL_SENDER)')
    .option('--text-template <file>', 'text beside the HTML (default: made from it)')
    .option('--to-column <name>', 'column of the address (default: to, email or address)')
    .option('--name-column <name>', 'column of the name in the To header (default: name)')
    .option('--reply-to <address>', 'where answers go')
    .option('--attachment <file...>', 'files to attach')
    .option('--inline-image <cid=path...>', 'images for <img src="cid:…">')
    .option('--inline-css', 'move the style rules into the elements')
    .option('--unsubscribe-url <template>', 'https URL for one-click unsubscribing')
    .option('--header <line>', "further header, 'Name: value'; may be repeated", collect)
    .option('--batch <id>', 'id of the batch; the same id again goes on and repeats nothing')
    .option('--lane <lane>', 'lane (default: bulk)')
    .option('--route <route>', "route of relays (default: the worker's)")
    .option('--rejects <file>', 'write rows that cannot be sent to, as CSV')
    .option('--wait', 'wait until nothing is pending')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print the counts as JSON')
    .addHelpText('after', help)
    .action(run<EnqueueOptions>(enqueue))
}
