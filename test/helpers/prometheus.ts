// A Prometheus of a test's own, by Debian's program: what it scrapes can be changed, and what it knows be asked for.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, askInstant, askRange, type Range, type Series } from '../../scripts/dashboards/draw/ask.js'
import { freePort } from '../../src/cli/free-port.js'
import { eventually } from './eventually.js'
import { findProgram } from './programs.js'

/** Addresses (`127.0.0.1:9464`) by job. */
export type Targets = Readonly<Record<string, readonly string[]>>

export interface PrometheusOptions {
  /** The jobs, and what each scrapes at first. Default none. */
  readonly targets?: Targets
  /** Absolute paths. */
  readonly ruleFiles?: readonly string[]
  /** How often it scrapes and looks at its rules, in whole seconds. Default 1. */
  readonly everySeconds?: number
}

export interface Prometheus extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Its standard error so far. */
  readonly log: string
  /** Scrapes these from now on, and no others; the jobs are those that it was opened with. */
  setTargets(targets: Targets): Promise<void>
  /** Resolves when all its targets are up, and nothing else is scraped. */
  scraped(withinMs?: number): Promise<void>
  /** Of this moment, or of `at` in seconds since 1970. Rejects with what is wrong with the query. */
  query(expression: string, at?: number): Promise<Series[]>
  queryRange(expression: string, range: Range): Promise<Series[]>
  /** `data` of any other path of its API: `/api/v1/rules`. */
  ask(path: string): Promise<unknown>
}

const targetFile = (folder: string, job: string) => join(folder, `${job}.json`)

/** Prometheus reads the file when it changes, and must not read half of one. */
async function writeTargets(folder: string, job: string, addresses: readonly string[]): Promise<void> {
  const draft = join(folder, `${job}.draft`)
  await writeFile(draft, JSON.stringify([{ targets: addresses }]))
  await rename(draft, targetFile(folder, job))
}

async function writeConfiguration(folder: string, options: PrometheusOptions): Promise<string> {
  const { targets = {}, ruleFiles = [], everySeconds = 1 } = options
  const jobs = Object.keys(targets)
  await Promise.all(jobs.map((job) => writeTargets(folder, job, targets[job] ?? [])))
  const every = `${everySeconds}s`
  const configuration = {
    global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
    rule_files: ruleFiles,
    scrape_configs: jobs.map((job) => ({
      job_name: job,
      file_sd_configs: [{ files: [targetFile(folder, job)], refresh_interval: '1s' }],
    })),
  }
  const path = join(folder, 'prometheus.yml')
  await writeFile(path, JSON.stringify(configuration))
  return path
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'close')
}

async function upTargets(url: string): Promise<string> {
  const { activeTargets } = (await ask(url, '/api/v1/targets')) as {
    activeTargets: { health: string; labels: { instance: string } }[]
  }
  const states = activeTargets.map(({ health, labels }) => `${labels.instance} ${health}`)
  return states.sort().join()
}

/**
 * Starts a Prometheus on a free port; it has read its configuration and its rules when this resolves.
 * Rejects where there is none: a test asks `requireProgram(context, 'prometheus')` first.
 */
export async function openPrometheus(options: PrometheusOptions = {}): Promise<Prometheus> {
  const program = findProgram('prometheus')
  if (program === undefined) throw new Error('there is no prometheus on this machine')
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-prometheus-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const args = [
    `--config.file=${await writeConfiguration(folder, options)}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const close = async () => {
    process.off('exit', killAtExit)
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  let targets = options.targets ?? {}
  try {
    await eventually('Prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok)
  } catch (error) {
    await close()
    throw new Error(`Prometheus did not start: ${log}`, { cause: error })
  }
  return {
    port,
    url,
    get log() {
      return log
    },
    async setTargets(next) {
      const jobs = Object.keys(options.targets ?? {})
      await Promise.all(jobs.map((job) => writeTargets(folder, job, next[job] ?? [])))
      targets = next
    },
    async scraped(withinMs = 15_000) {
      const wanted = Object.values(targets).flatMap((all) => all.map((each) => `${each} up`))
      const all = wanted.sort().join()
      await eventually(`targets: ${all}`, async () => (await upTargets(url)) === all, {
        withinMs,
        everyMs: 100,
      })
    },
    query: (expression, at) => askInstant(url, expression, at),
    queryRange: (expression, range) => askRange(url, expression, range),
    ask: (path) => ask(url, path),
    [Symbol.asyncDispose]: close,
  }
}
