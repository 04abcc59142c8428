// `npm run bench:rate`: whether a rate of the fleet holds while workers are started, stopped and killed at random.
// Exit code 1 when any second had more than rate and burst, or when less than 95 % of the rate was used.

import {
  benchCommand,
  burstFor,
  numberFrom,
  numbersFrom,
  print,
  progress,
  redisHelp,
  rowTable,
  runBench,
} from './command.js'
import { isWithin, type RateResult, runRateTrial } from './rate-trial.js'

interface Flags {
  readonly processes: number[]
  readonly rate: number
  readonly burst?: number
  readonly seconds: number
  readonly seed: number
  readonly calm?: boolean
  readonly redis?: string
  readonly json?: boolean
}

const LEAST_USED = 0.95

const examples = `  npm run bench:rate                        1, 2 and 4 processes, a minute each
  npm run bench:rate -- --seed 7 --processes 4 --rate 500 --burst 125
  npm run bench:rate -- --calm              nobody comes or goes
  npm run bench:rate -- --json

Counted is each MAIL FROM at the sink, by the clock of its process. "busiest" is
the most within any second; "surely" leaves out what the sink saw late. It ends
with 1 when that is over rate and burst, or under 95 % of the rate was used.`

const flags = benchCommand('bench:rate', 'Whether one rate holds for a fleet that comes and goes.', examples)
  .option('--redis <url>', redisHelp)
  .option('--processes <numbers>', 'worker processes at once, one run each', numbersFrom(1), [1, 2, 4])
  .option('--rate <number>', 'of the fleet, a second', numberFrom(1), 200)
  .option('--burst <number>', 'how many more within one second; half the rate unless given', numberFrom(1))
  .option('--seconds <number>', 'how long each run is measured', numberFrom(1), 60)
  .option('--seed <number>', 'what coming and going follows', numberFrom(0), 1)
  .option('--calm', 'nobody comes or goes')
  .parse()
  .opts<Flags>()

const isGood = (result: RateResult) => isWithin(result) && result.used >= LEAST_USED

await runBench(async (signal) => {
  const results: RateResult[] = []
  const { rate: perSecond, seconds, seed, redis } = flags
  const burst = burstFor(perSecond, flags.burst)
  const churn = flags.calm ? undefined : { seed, everyMs: [500, 4_000] as const, downMs: 2_000 }
  for (const processes of flags.processes) {
    progress(`${processes} ${processes === 1 ? 'process' : 'processes'} for ${seconds} s, seed ${seed}`)
    results.push(await runRateTrial({ processes, perSecond, burst, seconds, churn, redis }, signal))
  }
  print(flags.json ? [JSON.stringify(results)] : table(results))
  return results.every(isGood)
})

function table(results: readonly RateResult[]): string[] {
  const rows = results.map((result) => [
    String(result.processes),
    String(result.limit),
    String(result.busiest),
    String(result.surelyBusiest),
    `${(100 * result.used).toFixed(1)} %`,
    ...(['start', 'stop', 'kill'] as const).map((kind) =>
      String(result.deeds.filter((deed) => deed.kind === kind).length),
    ),
    isGood(result) ? 'held' : 'BROKEN',
  ])
  const titles = ['processes', 'limit', 'busiest', 'surely', 'used', 'starts', 'stops', 'kills', '']
  return rowTable(titles, rows).map((line) => line.trimEnd())
}
