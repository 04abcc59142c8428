#!/usr/bin/env node
// The process of the command: its signals, its streams, its exit code. All else is in program.ts.

import { processEnv } from '../config.js'
import type { Context } from './context.js'
import { runCommandLine } from './program.js'

const INTERRUPTED = 130
const stop = new AbortController()

function onSignal(): void {
  // The second one means: now.
  if (stop.signal.aborted) process.exit(INTERRUPTED)
  if (process.stderr.isTTY) process.stderr.write('\nstopping; Ctrl-C again stops at once\n')
  stop.abort()
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
// Whoever read our output has gone, as `head` does.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort())

const context: Context = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: processEnv(),
  signal: stop.signal,
}
const exitCode = await runCommandLine(process.argv.slice(2), context)
// Pipes may still hold output.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)))
