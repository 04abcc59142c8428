// `npm run bench:tuning`: whether a fleet that is told too high a rate finds the one that its relay takes, and follows it.
// Exit code 1 when it is not within 15 % below it in time, or when 2 % of the attempts or more were refused.

import {
  benchCommand,
  numberFrom,
  numbersFrom,
  print,
  progress,
  redisHelp,
  refuse,
  rowTable,
  runBench,
} from './command.js'
import { isSettled, runTuningTrial, type TuningResult } from './tuning-trial.js'

interface Flags {
  readonly processes: number[]
  readonly rate: number
  readonly takes: number[]
  readonly seconds: number
  readonly settle: number
  readonly redis?: string
  readonly json?: boolean
}

const examples = `  npm run bench:tuning                      1, 2 and 4 processes, 3 minutes each
  npm run bench:tuning -- --takes 50,20 --processes 1
  npm run bench:tuning -- --json            also what was taken in each second

The relay answers 451 above what it takes in any second. "used" is how much of
that it got once the fleet had time to find out, "least" the same in the worst
ten seconds. It ends with 1 when used is under 85 %, or 2 % were refused.`

const flags = benchCommand('bench:tuning', 'Whether a fleet follows what its relay takes.', examples)
  .option('--redis <url>', redisHelp)
  .option('--processes <numbers>', 'worker processes at once, one run each', numbersFrom(1), [1, 2, 4])
  .option('--rate <number>', 'what the fleet is told, a second', numberFrom(1), 200)
  .option('--takes <numbers>', 'what the relay takes, in turn', numbersFrom(1), [120, 60, 120])
  .option('--seconds <number>', 'how long it takes each', numberFrom(1), 60)
  .option('--settle <number>', 'how long the fleet has to find out', numberFrom(0), 30)
  .parse()
  .opts<Flags>()

await runBench(async (signal) => {
  const results: TuningResult[] = []
  const { rate: perSecond, takes, seconds, settle: settleSeconds, redis } = flags
  if (settleSeconds >= seconds) refuse('--settle must be less than --seconds, or nothing is measured')
  for (const processes of flags.processes) {
    progress(`${processes} ${processes === 1 ? 'process' : 'processes'}, ${takes.join(', ')} a second`)
    const options = { processes, perSecond, takes, seconds, settleSeconds, redis }
    results.push(await runTuningTrial(options, signal))
  }
  print(flags.json ? [JSON.stringify(results)] : table(results))
  return results.every(isSettled)
})

const percent = (share: number) => `${(100 * share).toFixed(1)} %`

function table(results: readonly TuningResult[]): string[] {
  const rows = results.flatMap((result) =>
    result.phases.map(({ takes, used, leastUsed, offered, refused }, index) => [
      index === 0 ? String(result.processes) : '',
      String(takes),
      percent(used),
      percent(leastUsed),
      percent(refused / offered),
      index === 0 ? percent(result.refused) : '',
      index === 0 ? (isSettled(result) ? 'held' : 'BROKEN') : '',
    ]),
  )
  const titles = ['processes', 'takes', 'used', 'least', 'refused', 'in all', '']
  return rowTable(titles, rows).map((line) => line.trimEnd())
}
