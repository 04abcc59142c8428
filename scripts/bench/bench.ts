// `npm run bench`: how fast a batch leaves, beside others who send the same mail to the same sink in the same run.
// It fails where a result is wrong, never for a time.

import { benchCommand, numberFrom, print, progress, refuse, runBench } from './command.js'
import { openBench } from './speed/open-bench.js'
import { wrapped } from './speed/report.js'
import { makeResult, resultLines, saveResult } from './speed/result.js'
import { chosen, rowNames, sidesOf } from './speed/rows.js'
import { measureAll } from './speed/runs.js'
import { verifyAll } from './speed/verify.js'

interface Flags {
  readonly only?: string
  readonly quick?: boolean
  readonly full?: boolean
  readonly runs?: number
  readonly messages?: number
  readonly fluxmail?: string
  readonly save?: boolean
  readonly json?: boolean
}

const examples = `  npm run bench                                 5 runs of each side
  npm run bench -- --quick                      rough, in under 2 minutes
  npm run bench -- --only pool,source
  npm run bench -- --fluxmail .venv/bin/python  FluxMail (Python) takes part
  npm run bench -- --full --save && npm run docs
  npm run bench -- --quick --json | tail -1

Rows:
${wrapped(rowNames.join(', ')).join('\n')}

Exit code: 0, whatever the times; 1 where a message is missing, there twice
or different; 2 for a wrong command line; 3 where it could not be measured;
130 after Ctrl-C.`

const flags = benchCommand('bench', 'How fast a batch leaves, beside others.', examples)
  .option('--only <names>', 'these rows and no others')
  .option('--quick', 'fewer messages, and one run')
  .option('--full', 'the long batch has a million rows')
  .option('--runs <number>', 'of each side (default: 5)', numberFrom(1))
  .option('--messages <number>', 'at most so many of each side', numberFrom(1))
  .option('--fluxmail <python>', 'a Python that has FluxMail')
  .option('--save', "keep the result for the README's table")
  .parse()
  .opts<Flags>()

const rows = chosen(flags.only)
if (typeof rows === 'string') refuse(rows)
if (flags.quick && flags.full) refuse('--quick and --full exclude each other')
if (flags.save && (flags.only || flags.messages)) refuse('--save is for all rows and all messages')

await runBench(async (signal) => {
  const { quick = false, full = false, messages, fluxmail: python } = flags
  const say = (text: string) =>
    progress(`${performance.now().toFixed(0).slice(0, -3).padStart(4)} s  ${text}`)
  await using bench = await openBench({ quick, full, messages, python, signal, say })
  const [sides, runs] = [sidesOf(rows), flags.runs ?? (quick ? 1 : 5)]
  say('first look: what each side sends is compared with its rows')
  const verified = await verifyAll(sides, bench)
  const measured = await measureAll(rows, sides, bench, runs)
  const result = makeResult({ bench, sides, runs, verified, measured })
  if (flags.save) saveResult(result)
  print(flags.json ? [JSON.stringify(result)] : resultLines(result))
  return true
})
