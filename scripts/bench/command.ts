// What the commands of the benchmarks have in common: how numbers are read, how Ctrl-C ends one, how rows are shown.

import { Command, InvalidArgumentError } from 'commander'

export const COLUMNS = 80

export function numberFrom(min: number) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isInteger(value) && value >= min) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} on.`)
  }
}

/** `1,2,4` */
export function numbersFrom(min: number) {
  return (text: string): number[] => text.split(',').map(numberFrom(min))
}

export const redisHelp = 'a Redis to use, a private one unless given'

/** Exit code 2 for a wrong command line. */
export function benchCommand(name: string, about: string, examples: string): Command {
  return new Command(`npm run ${name} --`)
    .description(about)
    .option('--json', 'the result as JSON')
    .addHelpText('after', `\nExamples:\n${examples}`)
    .configureHelp({ helpWidth: COLUMNS })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
}

/** Ends with 2 where numbers of the command line do not go together. */
export function refuse(problem: string): never {
  progress(`error: ${problem}`)
  process.exit(2)
}

/** Half the rate unless given, and no less than a worker takes. */
export function burstFor(rate: number, burst: number = Math.ceil(rate / 2)): number {
  const least = Math.max(1, Math.ceil(rate / 4))
  if (burst >= least) return burst
  return refuse(`--burst must be at least a quarter of --rate, which is ${least}`)
}

export const progress = (text: string) => void process.stderr.write(`${text}\n`)

const AGAIN_MS = 1_000

/** What was sent is missing, or there twice, or is not what it should be; the message says which. */
export class WrongResult extends Error {}

/**
 * Runs until it is done or told to stop, and exits: 0, 1 where it says false or a result is wrong, 3 where it went
 * wrong itself, 130 stopped. Told twice, it does not wait for what is still to be put away.
 */
export async function runBench(bench: (signal: AbortSignal) => Promise<boolean>): Promise<never> {
  const stop = new AbortController()
  let first = Number.NaN
  const hear = () => {
    // One Ctrl-C may arrive several times: from the terminal, and from what started us.
    if (performance.now() - first > AGAIN_MS) process.exit(130)
    if (stop.signal.aborted) return
    first = performance.now()
    stop.abort(new Error('stopped'))
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, hear)
  try {
    process.exit((await bench(stop.signal)) ? 0 : 1)
  } catch (error) {
    if (stop.signal.aborted) process.exit(130)
    if (error instanceof WrongResult) {
      progress(`a result is wrong: ${error.message}`)
      process.exit(1)
    }
    progress(`the benchmark went wrong and shows nothing: ${error instanceof Error ? error.stack : error}`)
    process.exit(3)
  }
}

/** Lines of cells under titles, numbers to the right. */
export function rowTable(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [titles, ...rows]
  const widths = titles.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
}

export function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
