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
const benches = ['bench', 'lanes', 'rate', 'scale', 'tuning']
const run = (bench: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [tsx, `scripts/bench/${bench}.ts`, ...args])

test('--help shows examples and fits 80 columns', async () => {
  const helps = await Promise.all(benches.map((bench) => run(bench, '--help')))
  for (const [index, { stdout }] of helps.entries()) {
    const name = benches[index] === 'bench' ? 'bench' : `bench:${benches[index]}`
    expect(stdout).toMatch(new RegExp(`npm run ${name} -- .*--json`))
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
  const wrong = [
    [['--only', 'pool,nobody'], 'there is no row nobody; there are recipe, '],
    [['--quick', '--full'], '--quick and --full exclude each other'],
    [['--save', '--only', 'pool'], '--save is for all rows and all messages'],
  ] as const
  const refused = wrong.map(([args, stderr]) =>
    expect(run('bench', ...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(stderr) }),
  )
  await Promise.all(refused)
}, 60_000)

test('the last line of --json has each row, and its figures are of both sides', async () => {
  const { stdout, stderr } = await run('bench', ...tiny, '--runs', '2', '--only', 'pool,latency', '--json')
  const { rows, runs, bytes } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  expect(rows.map(({ name }: { name: string }) => name)).toEqual(['pool', 'latency'])
  for (const { ours, peer, ratio, target, held, runs } of rows) {
    expect([ours > 0, peer > 0, ratio > 0, held]).toEqual([true, true, true, ratio >= target])
    expect(runs.ours).toMatchObject({ cpuMs: expect.any(Number), redisMs: expect.any(Number) })
    expect(runs.ours.lowest).toBeLessThanOrEqual(runs.ours.highest)
  }
  expect(runs).toBe(2)
  expect(bytes.FluxMail).toBeGreaterThan(10_000)
  expect(stderr).toContain('run 2 of 2, 4 of 4')
}, 90_000)

const tiny = ['--quick', '--messages', '20']
/** What each starts at the least: the one that tsx starts, a Redis with its two shells, and workers or a sink and one. */
const stopped = [
  ['rate', ['--processes', '2'], 6],
  ['bench', ['--only', 'inlined', '--messages', '50000'], 6],
] as const

test.each(stopped)(
  'Ctrl-C in %s leaves no process and no file',
  async (bench, args, least) => {
    const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
    const child = spawn(process.execPath, [tsx, `scripts/bench/${bench}.ts`, ...args], {
      env: { ...process.env, TMPDIR: folder },
      stdio: 'ignore',
    })
    const ended = once(child, 'close')
    const pids = await eventually(
      'all are running',
      () => {
        const found = descendants(child.pid ?? 0)
        return found.length >= least ? found : undefined
      },
      { withinMs: 40_000, everyMs: 100 },
    )
    child.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    await eventually('all of them have ended', () => !pids.some(isAlive))
    expect((await readdir(folder)).filter((name) => name.startsWith('fluxmail'))).toEqual([])
    await rm(folder, { recursive: true, force: true })
  },
  90_000,
)
