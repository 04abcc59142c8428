// FluxMail (Python), where it is installed: its own BulkSender, from a process of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WrongResult } from '../../command.js'
import { arrived, requireCount } from '../drain.js'
import { rowsOf } from '../fixture/mail.mjs'
import { renderer } from '../peers/pool.mjs'
import type { Bench, Place, Reading, Running, Side } from '../row.js'
import { sizeOf } from '../sizes.js'
import { openCountingSink } from '../smtp-sink.js'

const script = fileURLToPath(new URL('../peers/bulk-sender.py', import.meta.url))
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export const python: Side = {
  name: 'FluxMail (Python), BulkSender',
  size: 'python',
  proof: { count: 60, plainHeaders: true, start: startPython },
  absent: (bench) => pythonProblem(bench.python),
  run: measure,
}

/** Undefined where it can take part. */
export function pythonProblem(program: string | undefined): string | undefined {
  if (program === undefined) return 'FluxMail (Python) takes part with --fluxmail PYTHON.'
  const { status, error } = spawnSync(program, ['-c', 'from fluxmail import BulkSender'], { stdio: 'ignore' })
  if (error) return `FluxMail (Python) does not take part: ${program} does not start.`
  return status === 0 ? undefined : `FluxMail (Python) is not installed in ${program} and does not take part.`
}

interface PythonRun extends Running {
  /** What it says at its end, in JSON. */
  readonly said: Promise<string>
}

async function startPython(bench: Bench, { port, count }: Pick<Place, 'port' | 'count'>): Promise<PythonRun> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-bench-'))
  const file = join(folder, 'messages.ndjson')
  await writeFile(file, await messageLines(bench, count))
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const args = [script, String(port), String(count), file]
  const child = spawn(bench.python ?? 'python3', args, { stdio: [...stdio], detached: true })
  running.add(child)
  const lost = new AbortController()
  let text = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    running.delete(child)
    if (code !== 0) lost.abort(new Error(`FluxMail (Python) ended (${signal ?? code})`))
    return text
  })
  return {
    lost: lost.signal,
    said: ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function measure(bench: Bench): Promise<Reading> {
  const { warmUp, timed } = sizeOf(bench, 'python')
  const count = warmUp + timed
  await using sink = await openCountingSink()
  await using run = await startPython(bench, { port: sink.port, count })
  const signal = AbortSignal.any([bench.signal, run.lost])
  const options = { who: python.name, warmUp, timed, signal, say: bench.say }
  const from = await arrived(sink, warmUp, options)
  const first = sink.count
  const to = await arrived(sink, count, options)
  const said = await run.said
  requireCount(python.name, sink.count, count)
  const { sent, failed, cpuMs } = JSON.parse(said)
  if (sent !== count || failed !== 0) throw new WrongResult(`${python.name} says ${said.trim()}`)
  return { perSecond: (1_000 * (count - first)) / (to - from), cpuMs: cpuMs / count }
}

async function messageLines(bench: Bench, count: number): Promise<string> {
  const render = renderer(await readFile(bench.inlined, 'utf8'))
  const lines = Array.from(rowsOf(count), (row) => {
    const { from: sender, subject, text, html } = render(row)
    const recipients = [row.to]
    return JSON.stringify({
      subject,
      recipients,
      body: html,
      plain_body: text,
      html_body: true,
      sender,
    })
  })
  return `${lines.join('\n')}\n`
}
