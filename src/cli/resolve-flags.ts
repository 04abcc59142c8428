// The flags of `fluxmail resolve`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { queueHelp } from './open-queue.js'
import { type ResolveOptions, resolve } from './resolve.js'

const help = `
Examples:
  fluxmail resolve spring-2027.1423 --sent
  fluxmail resolve spring-2027.1424 --not-sent
  fluxmail resolve --file verdicts.csv --batch spring-2027

A file is CSV with a header, or NDJSON (.ndjson): delivery or message_id,
verdict (sent or not_sent), and recipient where several share a Message-ID.
What was not sent is failed then, and can be replayed:
  fluxmail replay --batch spring-2027 --code resolved_not_sent`

export function addResolve(program: Command, run: Runner): void {
  program
    .command('resolve')
    .description('say of unknown deliveries whether they were sent')
    .argument('[delivery]', 'the id of a delivery that is unknown')
    .option('--sent', 'it was sent')
    .option('--not-sent', 'it was not sent')
    .option('--file <file>', 'many of them, from the log of the relay; - is standard input')
    .option('--batch <id>', 'with --file: only deliveries of this batch')
    .option(...queueHelp.redis)
    .option(...queueHelp.name)
    .addHelpText('after', help)
    .action((delivery: string | undefined, options: ResolveOptions) =>
      run<ResolveOptions>(resolve)({ ...options, ...(delivery === undefined ? {} : { delivery }) }),
    )
}
