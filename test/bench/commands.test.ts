import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { descendants, isAlive } from '../helpers/processes.js'

const tsx = join('node_modules', 'tsx', 'dist', 'cli.mjs')
const benches = ['lanes', 'rate', 'scale', 'tuning']
const run = (bench: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [tsx, `scripts/bench/${bench}.ts`, ...args])

test('--help shows examples and fits 80 columns', async () => {
  const helps = await Promise.all(benches.map((bench) => run(bench, '--help')))
  for (const [index, { stdout }] of helps.entries()) {
    expect(stdout).toContain(`npm run bench:${benches[index]} -- --json`)
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  }
}, 60_000)

test('a wrong command line is said and ends with 2', async () => {
  await expect(run('scale', '--processes', '1,0')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('It must be a whole number from 1 on.'),
  })
  await expect(run('rate', '--rate', '500', '--burst', '50')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--burst must be at least a quarter of --rate, which is 125'),
  })
  await expect(run('tuning', '--seconds', '30')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--settle must be less than --seconds'),
  })
}, 60_000)

test('Ctrl-C leaves no process and no file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const child = spawn(process.execPath, [tsx, 'scripts/bench/rate.ts', '--processes', '2'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: 'ignore',
  })
  const ended = once(child, 'close')
  // The one that tsx starts, a Redis with its two shells, two workers.
  const pids = await eventually(
    'all are running',
    () => {
      const found = descendants(child.pid ?? 0)
      return found.length >= 6 ? found : undefined
    },
    { withinMs: 40_000, everyMs: 100 },
  )
  child.kill('SIGINT')
  expect(await ended).toEqual([130, null])
  await eventually('all of them have ended', () => !pids.some(isAlive))
  expect((await readdir(folder)).filter((name) => name.startsWith('fluxmail'))).toEqual([])
  await rm(folder, { recursive: true, force: true })
}, 90_000)
