import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { descendants, isAlive } from '../helpers/processes.js'

/** Its temporary files go into `temporary`. */
function startChaos(temporary: string, ...args: string[]) {
  const tsx = join('node_modules', 'tsx', 'dist', 'cli.mjs')
  const env = { ...process.env, TMPDIR: temporary }
  return spawn(process.execPath, [tsx, 'scripts/chaos/chaos.ts', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What of ours is in it. */
async function leftIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('fluxmail'))
}

async function said(child: ChildProcess, words: string): Promise<void> {
  let heard = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    heard += chunk.toString()
  })
  await eventually(`it says ${words}`, () => heard.includes(words), { withinMs: 40_000 })
}

test('ten seconds of chaos: the promise holds, and the report has what was accepted and how it ended', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const records = join(folder, 'records')
  const child = startChaos(folder, '--seed', '1', '--minutes', '0.17', '--json', '--folder', records)
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  const report = JSON.parse(output)
  expect(report, errors).toMatchObject({ held: true, seed: 1, policy: 'both' })
  expect(report.accepted).toBeGreaterThan(50)
  const { sent, failed, skipped, unknown, pending } = report.ends
  expect(sent + failed + skipped + unknown + pending).toBe(report.accepted)
  expect(pending).toBe(0)
  expect(code).toBe(0)
  expect(await readdir(records)).toContain('sink.jsonl')
  await rm(folder, { recursive: true, force: true })
}, 180_000)

test('Ctrl-C leaves no process and no file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const child = startChaos(folder, '--seed', '1', '--minutes', '5')
  const ended = once(child, 'close')
  await said(child, 'freeze-worker')
  const pids = descendants(child.pid ?? 0)
  expect(pids.length).toBeGreaterThan(5)
  child.kill('SIGINT')
  expect(await ended).toEqual([130, null])
  await eventually('all of them have ended', () => !pids.some(isAlive))
  expect(await leftIn(folder)).toEqual([])
  await rm(folder, { recursive: true, force: true })
}, 90_000)

test('a command line that is wrong is refused with 2', async () => {
  const child = startChaos(tmpdir(), '--policy', 'perhaps')
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  expect(errors).toContain('hold, resend, both')
  expect(code).toBe(2)
})

test('a folder that holds something is refused with 2: another run in it would be judged as this one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  await writeFile(join(folder, 'sink.jsonl'), '')
  const child = startChaos(folder, '--folder', folder)
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  expect(errors).toContain('It must be an empty folder')
  expect(code).toBe(2)
  await rm(folder, { recursive: true, force: true })
})
