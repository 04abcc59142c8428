// The flags of `fluxmail explain`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type ExplainOptions, explain } from './explain.js'
import { queueHelp } from './open-queue.js'

const help = `
Examples:
  fluxmail explain spring-2027.1423
  fluxmail explain spring-2027 --json`

export function addExplain(program: Command, run: Runner): void {
  program
    .command('explain')
    .description('say why a delivery or a batch is where it is, and what it waits for')
    .argument('<delivery|batch>', 'its id')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .option('--json', 'print it as JSON')
    .addHelpText('after', help)
    .action((id: string, options: Omit<ExplainOptions, 'id'>) =>
      run<ExplainOptions>(explain)({ ...options, id }),
    )
}
