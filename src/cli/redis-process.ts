// The process of a private Redis: a shell that starts it and watches a pipe from this process.
// Whichever ends first, Redis or the pipe, takes the other with it, so a kill -9 of ours leaves nothing behind.
// It must never reach a Redis that it did not start.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { systemClock } from '../clock.js'
import { messageOf } from '../errors.js'
import { packageRoot } from './package-root.js'

export interface RedisProcessOptions {
  /** Where its data stays. Default: a temporary folder that goes when Redis ends. */
  readonly folder?: string | undefined
  readonly port: number
  /** How long it may take until it is ready. */
  readonly deadlineMs: number
  /** What to try, names or paths. Default: `redis-server` and `valkey-server`, in the usual places. */
  readonly programs?: readonly string[]
}

export interface RedisProcess {
  /** Resolves when Redis has written its data and ended; after 10 s it is killed. */
  end(): Promise<void>
}

/** Why Redis did not start: no such program, its port taken, or anything else, with the end of its log. */
export interface StartProblem {
  readonly reason: 'missing' | 'port' | 'other'
  readonly log: string
}

type Shell = ChildProcessByStdio<Writable, Readable, null>

const exitCodeMissing = 69
const logTailLength = 1_500

// Arguments: the port, the folder or nothing, where temporary folders are made, the programs to try.
// The shell makes the temporary folder, so that there is none before there is somebody to remove it.
// A background command of sh has /dev/null as its input, hence the pipe as number 3.
const script = `
exec 3<&0 </dev/null 2>&1
LC_ALL=C; export LC_ALL
port=$1 folder=$2 temporary=$3 remove= server=
shift 3
for program in "$@"; do
  if command -v "$program" >/dev/null; then server=$program; break; fi
done
status=${exitCodeMissing}
if [ "$server" ]; then
  [ "$folder" ] || { remove=$(mktemp -d "$temporary/fluxmail-redis-XXXXXX") && folder=$remove; } || exit
  cd "$folder" || exit
  "$server" --port "$port" --bind 127.0.0.1 --dir ./ --save '' --appendonly yes \\
    --maxmemory-policy noeviction --daemonize no --logfile '' 3<&- &
  redis=$!
  {
    while read -r _ <&3; do :; done
    kill "$redis"
    tries=100
    while [ "$tries" -gt 0 ] && kill -0 "$redis"; do tries=$((tries - 1)); sleep 0.1; done
    kill -9 "$redis"
  } >/dev/null 2>&1 &
  watch=$!
  wait "$redis"
  status=$?
  kill "$watch" 2>/dev/null
fi
if [ "$remove" ]; then rm -rf "$remove"; fi
exit "$status"
`

/** The PATH first, then folders that many a PATH lacks, then what `scripts/setup.mjs` fetched. */
function usualPrograms(): string[] {
  const folders = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin']
  const fetched = [process.cwd(), packageRoot()].map((folder) => join(folder, '.fluxmail', 'bin'))
  const names = ['redis-server', 'valkey-server']
  return [...names, ...[...folders, ...fetched].flatMap((folder) => names.map((name) => join(folder, name)))]
}

/** In a session of its own, where the terminal's Ctrl-C does not reach it. */
function spawnShell({ folder = '', port, programs = usualPrograms() }: RedisProcessOptions): Shell {
  const args = ['-c', script, 'private-redis', String(port), folder, tmpdir(), ...programs]
  const shell = spawn('sh', args, { detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  // A pipe that breaks means that the shell has ended, which its own event tells.
  shell.stdin.on('error', () => shell.stdin.destroy())
  return shell
}

function setReferenced(shell: Shell, referenced: boolean): void {
  const pipes = [shell.stdin, shell.stdout].filter((pipe) => pipe instanceof Socket)
  for (const handle of [shell, ...pipes]) {
    if (referenced) handle.ref()
    else handle.unref()
  }
}

function problemOf(code: number | null, log: string): StartProblem {
  const reason = code === exitCodeMissing ? 'missing' : /address already in use/i.test(log) ? 'port' : 'other'
  return { reason, log: log.trim().slice(-logTailLength) }
}

/** Resolves when Redis says that it is ready, or with the reason why it never will be. */
function readiness(shell: Shell, deadlineMs: number): Promise<StartProblem | undefined> {
  return new Promise((settle) => {
    let log = ''
    const finish = (problem?: StartProblem) => {
      cancelDeadline()
      shell.stdout.removeAllListeners('data').resume()
      settle(problem)
    }
    const cancelDeadline = systemClock.after(deadlineMs, () =>
      finish({ reason: 'other', log: `not ready after ${deadlineMs} ms: ${log}` }),
    )
    shell.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      if (log.includes('Ready to accept connections')) finish()
    })
    shell.once('error', (error) => finish({ reason: 'other', log: messageOf(error) }))
    shell.once('close', (code) => finish(problemOf(code, log)))
  })
}

async function endShell(shell: Shell, ended: Promise<void>): Promise<void> {
  setReferenced(shell, true)
  shell.stdin.end()
  await ended
}

/** Starts a Redis and waits until it takes connections. It ends with this process and does not keep it alive. */
export async function startRedisProcess(options: RedisProcessOptions): Promise<RedisProcess | StartProblem> {
  const shell = spawnShell(options)
  const ended = new Promise<void>((settle) => {
    shell.once('close', () => settle())
    shell.once('error', () => settle())
  })
  const problem = await readiness(shell, options.deadlineMs)
  if (problem) {
    await endShell(shell, ended)
    return problem
  }
  setReferenced(shell, false)
  return { end: () => endShell(shell, ended) }
}
