// `npm run bench:lanes`: how long single mails take while a batch waits behind the same relay.
// Exit code 1 when the 99th percentile is not under a second.

import { factTable } from '../../src/cli/table.js'
import {
  benchCommand,
  burstFor,
  COLUMNS,
  numberFrom,
  print,
  progress,
  redisHelp,
  runBench,
} from './command.js'
import { type LanesResult, runLanesTrial } from './lanes-trial.js'

interface Flags {
  readonly bulk: number
  readonly rate: number
  readonly burst?: number
  readonly singles: number
  readonly seconds: number
  readonly processes: number
  readonly lane: string
  readonly redis?: string
  readonly json?: boolean
}

const examples = `  npm run bench:lanes                       20 a second beside 1,000,000 rows
  npm run bench:lanes -- --bulk 20000 --seconds 10      a short one
  npm run bench:lanes -- --lane bulk --bulk 20000       and without a lane
  npm run bench:lanes -- --json

Times run from before enqueue is called until the sink has the whole message,
by the clock of one process. Exit code 1 when 1 % takes a second or longer.`

const flags = benchCommand('bench:lanes', 'Mail for single people while a batch waits.', examples)
  .option('--redis <url>', redisHelp)
  .option('--bulk <rows>', 'rows that wait in the lane bulk', numberFrom(1), 1_000_000)
  .option('--rate <number>', 'messages a second that the relay may be given', numberFrom(1), 200)
  .option('--burst <number>', 'how many more within one second; half the rate unless given', numberFrom(1))
  .option('--singles <number>', 'single mails a second', numberFrom(1), 20)
  .option('--seconds <number>', 'how long they are sent', numberFrom(1), 30)
  .option('--processes <number>', 'worker processes', numberFrom(1), 2)
  .option('--lane <name>', 'of the single mails', 'transactional')
  .parse()
  .opts<Flags>()

await runBench(async (signal) => {
  const { bulk, rate: perSecond, burst: given, ...rest } = flags
  const burst = burstFor(perSecond, given)
  progress(`${bulk} rows wait, ${rest.singles} single mails a second for ${rest.seconds} s`)
  const result = await runLanesTrial({ bulk, perSecond, burst, ...rest }, signal)
  print(flags.json ? [JSON.stringify(result)] : table(result))
  return result.p99 < 1_000
})

function table({ singles, missing, p50, p99, longest, bulkPerSecond, behindBulkSeconds }: LanesResult) {
  const facts = [
    { name: 'single mails', value: String(singles) },
    { name: 'not there after 10 s', value: String(missing) },
    { name: 'median', value: milliseconds(p50), note: 'from enqueue to the relay' },
    { name: '99th percentile', value: milliseconds(p99), note: 'under 1000 ms is what is asked' },
    { name: 'longest', value: milliseconds(longest) },
    { name: 'bulk meanwhile', value: `${bulkPerSecond.toFixed(0)}/s` },
    {
      name: 'the batch takes',
      value: `${(behindBulkSeconds / 60).toFixed(1)} min`,
      note: 'and so long whoever came behind all of it would wait',
    },
  ]
  return factTable(facts, COLUMNS, (_style, text) => text).map((line) => line.trimEnd())
}

function milliseconds(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(0)} ms` : 'endless'
}
