// The flags of `fluxmail batch` and of the commands under it.

import type { Command } from 'commander'
import { cancelBatch, deleteBatch } from './batch-cancel.js'
import { type BatchListOptions, listBatches } from './batch-list.js'
import { pauseBatch, resumeBatch } from './batch-pause.js'
import { showBatch } from './batch-show.js'
import type { Context, ExitCode, Runner } from './context.js'
import { queueHelp } from './open-queue.js'
import { wholeNumber } from './options.js'

const help = `
Examples:
  fluxmail batch list --active
  fluxmail batch show spring-2027
  fluxmail batch pause spring-2027 --reason 'wrong price in line 3'

\`fluxmail watch\` looks on while a batch is sent, \`fluxmail failures --batch\`
lists what failed, and \`fluxmail batch <command> --help\` has more examples.`

const pauseHelp = `
Once it has returned, only what already was on the wire goes out. What waits
spends neither attempts nor its age, and goes on with \`fluxmail batch resume\`.

Example:
  fluxmail batch pause spring-2027 --reason 'wrong price in line 3'`

const cancelHelp = `
What is pending counts as skipped and is never sent; this cannot be undone. On a
terminal it asks; elsewhere --yes is needed.

Example:
  fluxmail batch cancel spring-2027 --reason 'sent to the wrong list' --yes`

const deleteHelp = `
Of a batch that is finished or cancelled: its counts, its failures, its finished
deliveries. The counts of its lane stay. On a terminal it asks; elsewhere --yes
is needed.

Example:
  fluxmail batch delete spring-2027 --yes`

export function addBatch(program: Command, run: Runner): void {
  const batch = program
    .command('batch')
    .description('list, show, pause, resume, cancel or delete batches')
    .usage('<command> [options]')
    .addHelpText('after', help)
  addList(batch, run)
  const one = orders(batch, run)
  one(
    'show',
    'print all that is known of a batch',
    showBatch,
    '\nExample:\n  fluxmail batch show spring-2027',
  )
  withReason(one('pause', 'hold back what is not sent yet', pauseBatch, pauseHelp))
  one('resume', 'let a paused batch go on', resumeBatch, '\nExample:\n  fluxmail batch resume spring-2027')
  withYes(withReason(one('cancel', 'never send what is pending', cancelBatch, cancelHelp)))
  withYes(one('delete', 'delete a batch that is over', deleteBatch, deleteHelp))
}

function addList(batch: Command, run: Runner): void {
  batch
    .command('list')
    .description('list batches, the newest first')
    .option('--active', 'only those that are not finished')
    .option('--limit <n>', 'so many at the most (default: 20)', wholeNumber('--limit', 1, 9_999))
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExample:\n  fluxmail batch list --active')
    .action(run<BatchListOptions>(listBatches))
}

type Order<O> = (options: O, context: Context) => Promise<ExitCode>

/** Adds a command that takes the id of one batch. */
function orders(batch: Command, run: Runner) {
  return <O extends { readonly id: string }>(
    name: string,
    description: string,
    order: Order<O>,
    text: string,
  ): Command =>
    batch
      .command(name)
      .description(description)
      .argument('<batch>', 'its id')
      .option(...queueHelp.redis)
      .option(...queueHelp.name)
      .option('--json', 'print it as JSON')
      .addHelpText('after', text)
      .action((id: string, options: Omit<O, 'id'>) => run<O>(order)({ ...options, id } as O))
}

function withReason(command: Command): Command {
  return command
    .option('--reason <words>', 'why, for whoever looks at the batch')
    .option('--by <name>', 'who does it (default: account@machine)')
}

function withYes(command: Command): Command {
  return command.option('--yes', 'do not ask')
}
