// `npm run bench:scale`: messages a second with 1, 2 and 4 worker processes, and the time of a permit, as a table.

import {
  benchCommand,
  numberFrom,
  numbersFrom,
  print,
  progress,
  redisHelp,
  rowTable,
  runBench,
} from './command.js'
import { runScaleTrial, type ScaleResult } from './scale-trial.js'

interface Flags {
  readonly processes: number[]
  readonly answer: number
  readonly rate: number
  readonly seconds: number
  readonly redis?: string
  readonly json?: boolean
}

const examples = `  npm run bench:scale                           1, 2 and 4 processes, 10 s each
  npm run bench:scale -- --processes 1,8 --seconds 30
  npm run bench:scale -- --answer 100           a relay far away
  npm run bench:scale -- --json

Each process has 10 connections. The sink answers 20 ms after what it was sent:
once to the envelope, once to the message, so that one process can do 250 a
second at the most. More than this machine can do says nothing about sharing.`

const flags = benchCommand('bench:scale', 'How worker processes share the work of one queue.', examples)
  .option('--redis <url>', redisHelp)
  .option('--processes <numbers>', 'worker processes at once, one run each', numbersFrom(1), [1, 2, 4])
  .option('--answer <ms>', 'how late the sink answers', numberFrom(0), 20)
  .option('--rate <number>', 'a limit of the fleet that is never reached', numberFrom(1), 20_000)
  .option('--seconds <number>', 'how long each run is measured', numberFrom(1), 10)
  .parse()
  .opts<Flags>()

await runBench(async (signal) => {
  const results: ScaleResult[] = []
  for (const processes of flags.processes) {
    progress(`${processes} ${processes === 1 ? 'process' : 'processes'} for ${flags.seconds} s`)
    const { answer: answerMs, rate: perSecond, seconds, redis } = flags
    results.push(await runScaleTrial({ processes, answerMs, perSecond, seconds, redis }, signal))
  }
  print(flags.json ? [JSON.stringify(results)] : table(results))
  return true
})

function table(results: readonly ScaleResult[]): string[] {
  const [first] = results
  const each = (first?.perSecond ?? 0) / (first?.processes ?? 1)
  const rows = results.map(({ processes, perSecond, permitP50, permitP99 }) => [
    String(processes),
    perSecond.toFixed(0),
    (perSecond / processes).toFixed(0),
    `${((100 * perSecond) / (each * processes)).toFixed(0)} %`,
    time(permitP50),
    time(permitP99),
  ])
  const titles = ['processes', 'messages/s', 'each', 'of the first', 'permit p50', 'permit p99']
  return rowTable(titles, rows)
}

/** The bounds of a histogram's buckets. */
function time(seconds: number): string {
  if (seconds === 0) return 'at once'
  return Number.isFinite(seconds) ? `< ${seconds * 1_000} ms` : 'over 15 s'
}
