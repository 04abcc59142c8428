// The ceiling: smtp-source of Postfix sends one prebuilt message again and again over kept connections.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { arrived, requireCount } from '../drain.js'
import { connections } from '../ours.js'
import { cpuMsOf, difference } from '../process-cpu.js'
import type { Bench, Reading, Side } from '../row.js'
import { sizeOf } from '../sizes.js'
import { type CountingSink, openCountingSink, programPath, requireProgram } from '../smtp-sink.js'
import { builtMessage } from '../verify.js'
import { newsletter } from './ours.js'

/** It ends with its last message and cannot be asked any more. */
const ASKED_AT = 0.9

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export const source: Side = {
  name: 'smtp-source',
  size: 'source',
  absent: () => (programPath('smtp-source') ? undefined : 'This machine has no smtp-source of Postfix.'),
  run: measure,
}

async function measure(bench: Bench): Promise<Reading> {
  const { warmUp, timed } = sizeOf(bench, 'source')
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-bench-'))
  try {
    const file = join(folder, 'message')
    const message = await builtMessage(bench, newsletter.proof)
    await writeFile(file, message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    await using sink = await openCountingSink()
    const where = ['-f', 'letter@garden.example', '-t', 'reader@example.com', `127.0.0.1:${sink.port}`]
    const args = ['-d', '-s', String(connections), '-m', String(warmUp + timed), '-F', file, ...where]
    const child = spawn(requireProgram('smtp-source'), args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    })
    running.add(child)
    const ended = once(child, 'exit')
    try {
      return await watch(sink, child, bench)
    } finally {
      child.kill('SIGKILL')
      await ended
      running.delete(child)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function watch(sink: CountingSink, child: ChildProcess, bench: Bench): Promise<Reading> {
  const { warmUp, timed } = sizeOf(bench, 'source')
  const count = warmUp + timed
  const options = { who: source.name, warmUp, timed, signal: bench.signal, say: bench.say }
  const from = await arrived(sink, warmUp, options)
  const [first, before] = [sink.count, cpuMsOf(child.pid)]
  await arrived(sink, Math.floor(warmUp + timed * ASKED_AT), options)
  const [later, after] = [sink.count, cpuMsOf(child.pid)]
  const to = await arrived(sink, count, options)
  if (child.exitCode === null) await once(child, 'exit')
  requireCount(source.name, sink.count, count)
  const cpu = later < count ? difference(after, before) : undefined
  return {
    perSecond: (1_000 * (count - first)) / (to - from),
    cpuMs: cpu === undefined ? undefined : cpu / (later - first),
  }
}
