// The command line: which commands there are, what their flags mean, and an example of each.
// It reads words and calls a command; what the command does stands in the file of its name.

import { Command } from 'commander'
import { packageVersion } from '../package-root.js'
import { wrap } from '../terminal/text.js'
import { addBatch } from './batch-flags.js'
import { type Context, columnsOf, type ExitCode, exitCodes, type Runner, say } from './context.js'
import { addDemo } from './demo-flags.js'
import { addDev } from './dev-flags.js'
import { addDoctor } from './doctor-flags.js'
import { addEnqueue } from './enqueue-flags.js'
import { addExplain } from './explain-flags.js'
import { failureOf } from './failure.js'
import { addFailures } from './failures-flags.js'
import { addForget } from './forget-flags.js'
import { addIngress } from './ingress-flags.js'
import { addLimits } from './limits-flags.js'
import { addReplay } from './replay-flags.js'
import { addResolve } from './resolve-flags.js'
import { addSend } from './send-flags.js'
import { addSink } from './sink-flags.js'
import { addStatus } from './status-flags.js'
import { addSuppress } from './suppress-flags.js'
import { addWatch } from './watch-flags.js'
import { addWorker } from './worker-flags.js'
import { addWorkers } from './workers-flags.js'

const description = `Personalised email at scale: from your app, through Redis and your own SMTP relay.
Start with \`fluxmail demo\`; it needs no relay and mails nobody.`

const commands = [
  addDemo,
  addDev,
  addEnqueue,
  addStatus,
  addWorkers,
  addLimits,
  addBatch,
  addWatch,
  addExplain,
  addFailures,
  addReplay,
  addResolve,
  addSuppress,
  addForget,
  addDoctor,
  addSend,
  addWorker,
  addIngress,
  addSink,
]

/** Runs a command line, without the name of the program, and resolves to the exit code. It never throws. */
export async function runCommandLine(args: readonly string[], context: Context): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.done
  const runner: Runner = (command) => async (options) => {
    exitCode = await command(options, context)
  }
  try {
    const given = args.length === 0 ? ['--help'] : [...args]
    await createProgram(context, runner).parseAsync(given, { from: 'user' })
    return exitCode
  } catch (thrown) {
    const failure = failureOf(thrown)
    if (failure.text !== '') for (const line of linesOf(failure.text, context)) say(context.stderr, line)
    return failure.exitCode
  }
}

/** One line for a program; for a person, lines that a terminal need not break. */
function linesOf(text: string, { stderr }: Context): string[] {
  return stderr.isTTY ? wrap(text, columnsOf(stderr)) : [text]
}

function createProgram(context: Context, runner: Runner): Command {
  const program = new Command('fluxmail')
    .description(description)
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this, or the help of a command')
    .helpCommand('help [command]', 'print the help of a command')
    .usage('<command> [options]')
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      // What is wrong is said once, by runCommandLine.
      outputError: () => undefined,
      getOutHelpWidth: () => columnsOf(context.stdout),
      getErrHelpWidth: () => columnsOf(context.stderr),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  for (const add of commands) add(program, runner)
  return program.addHelpText('after', '\nThe help of a command, with an example: fluxmail help enqueue')
}
