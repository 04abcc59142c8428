import { execFileSync } from 'node:child_process'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Declaration } from '../../src/telemetry/declared/declaration.js'
import { metricDeclarations } from '../../src/telemetry/metric-table.js'
import { eventually } from '../helpers/eventually.js'
import { findProgram, requireProgram } from '../helpers/programs.js'
import { strangeLabels } from './exposition/labels.js'
import { type Series, seriesIn } from './exposition/series.js'
import { openStage, type Stage } from './panels/stage.js'

const declared = Object.entries(metricDeclarations) as [string, Declaration][]
const relays = ['main', 'slow', 'touchy', 'secure', 'away', 'locked']

let stage: Stage
/** What every process exposed, by its address, while everything was going on. */
let texts: ReadonlyMap<string, string>
let all: readonly Series[]

beforeAll(async () => {
  if (!findProgram('prometheus')) return
  stage = await openStage([])
  await comeBack(stage)
  await eventually('a copy was prevented', async () => {
    const series = [...(await expositions(stage)).values()].flatMap(seriesIn)
    return hasMoved(series, 'fluxmail_duplicates_prevented_total')
  })
  texts = await expositions(stage)
  all = [...texts.values()].flatMap(seriesIn)
}, 180_000)
afterAll(() => stage?.[Symbol.asyncDispose](), 60_000)
beforeEach((context) => {
  requireProgram(context, 'prometheus')
})

/** A job that has sent its mail is there again, as when its worker dies before it can say so to the queue. */
async function comeBack({ redisUrl }: Stage): Promise<void> {
  const redis = new Redis(redisUrl)
  const queue = '{fluxmail}:transactional'
  try {
    const id = await eventually(
      'one was sent',
      async () => (await redis.zrange(`${queue}:completed`, '-1', '-1'))[0],
    )
    await redis
      .multi()
      .zrem(`${queue}:completed`, id)
      .hdel(`${queue}:${id}`, 'finishedOn', 'processedOn')
      .lpush(`${queue}:wait`, id)
      .zadd(`${queue}:marker`, 0, '0')
      .exec()
  } finally {
    redis.disconnect()
  }
}

async function expositions({ prometheus }: Stage): Promise<Map<string, string>> {
  const { activeTargets } = (await prometheus.ask('/api/v1/targets')) as {
    activeTargets: { scrapeUrl: string }[]
  }
  const read = async (url: string) => [url, await (await fetch(url)).text()] as const
  return new Map(await Promise.all(activeTargets.map(({ scrapeUrl }) => read(scrapeUrl))))
}

/** Of a counter or a histogram, whether it counted anything; of a gauge, whether it has a value. */
function hasMoved(series: readonly Series[], name: string): boolean {
  const isGauge = declared.find(([each]) => each === name)?.[1].type === 'gauge'
  const own = series.filter((each) => each.name === name && !each.sample.endsWith('_bucket'))
  return own.some(({ value }) => Number.isFinite(value) && (isGauge || value > 0))
}

test('promtool finds nothing wrong with what workers and ingress expose', (context) => {
  const promtool = requireProgram(context, 'promtool')
  expect(texts.size).toBe(3)
  for (const text of texts.values()) {
    const said = execFileSync(promtool, ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
      stdio: 'pipe',
    })
    expect(said).toBe('')
  }
  const wrong = () =>
    execFileSync(promtool, ['check', 'metrics'], { input: '# TYPE a counter\na 1\n', stdio: 'pipe' })
  expect(wrong).toThrow()
})

test('every metric that is declared is measured by some process, and none that is not', () => {
  const names = declared.map(([name]) => name)
  expect(names.filter((name) => !hasMoved(all, name))).toEqual([])
  expect(all.filter(({ name }) => !names.includes(name))).toEqual([])
})

test('every series has the labels that are declared, and only values of closed sets', () => {
  const batches = stage.batches.map(({ id }) => id)
  expect(strangeLabels(all, { lanes: ['transactional', 'bulk'], relays, batches })).toEqual([])
  const labelsOf = new Map(declared.map(([name, { labels }]) => [name, [...labels].toSorted()]))
  for (const { name, labels } of all) {
    const given = Object.keys(labels).filter((label) => label !== 'le')
    expect([name, given.toSorted()]).toEqual([name, labelsOf.get(name)])
  }
})

test('what is the same from every worker is the same, and the ingress has none of it', () => {
  const fleet = ['fluxmail_workers', 'fluxmail_redis_memory_limit_bytes', 'fluxmail_batch_paused']
  for (const name of fleet) {
    const values = [...texts.values()].map((text) =>
      seriesIn(text)
        .filter((each) => each.name === name)
        .map(({ labels, value }) => JSON.stringify([labels, value]))
        .toSorted(),
    )
    const told = values.filter((each) => each.length > 0)
    expect([name, told.length]).toEqual([name, 2])
    expect(told[0]).toEqual(told[1])
  }
})

test('the series of batches end with them', async () => {
  expect(all.filter(({ name }) => name === 'fluxmail_batch_deliveries').length).toBeGreaterThan(0)
  await stage.finish()
  await eventually('no worker speaks of any', async () => {
    const now = [...(await expositions(stage)).values()].flatMap(seriesIn)
    return !now.some(({ labels }) => 'batch' in labels)
  })
}, 120_000)
