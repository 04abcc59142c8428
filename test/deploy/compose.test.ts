// The compose file run as it is written, with nothing configured and the profile demo: every service with its own
// command, environment, user, rights, files and address, and the image that the Dockerfile's steps make.

import { existsSync } from 'node:fs'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { eventually } from '../helpers/eventually.js'
import type { Service } from './stage/compose-file.js'
import { type Configured, openConfigured, password } from './stage/configured.js'
import { countsBy, isWhole, type Monitoring, openMonitoring, type Target } from './stage/monitoring.js'
import { healthy, type Stage, whyNoStage } from './stage/stage.js'
import { milliseconds } from './stage/units.js'
import {
  buildImages,
  type Images,
  openWholeFile,
  stagedServices,
  unstagedServices,
} from './stage/whole-file.js'

const why = whyNoStage()
if (why !== undefined) {
  if (process.env.DEPLOY_STAGE === 'required') throw new Error(why)
  console.warn(`skipped: ${why}`)
}

const buildMs = 420_000
const stageMs = 120_000
const MB = 1024 * 1024
/** Of the recipients of one batch of the demo, so many the sink puts off, by their addresses. */
const mostPutOff = 20

let services: Service[]
let images: Images

beforeAll(async () => {
  if (why !== undefined) return
  services = stagedServices({ profiles: ['demo'] })
  images = await buildImages(services)
}, buildMs)
afterAll(() => images?.[Symbol.asyncDispose](), stageMs)

describe.skipIf(why !== undefined)("the image that the Dockerfile's steps make in a clean folder", () => {
  const appOf = () => join(images.built[0]?.files ?? '', 'app')
  const filesOf = async (folder: string) =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))

  test('all services that are built here share one', () => {
    expect(images.built).toHaveLength(1)
  })

  test('it has the packages that the lockfile names for production, and no other', async () => {
    const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as {
      packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean; peer?: boolean }>
    }
    const installed = (await filesOf(join(appOf(), 'node_modules')))
      .filter((path) => /(^|\/)(@[^/]+\/)?[^@/][^/]*\/package\.json$/.test(`/${path}`))
      .map((path) => join('node_modules', path, '..'))
      .filter((path) => path in packages)
    const wanted = Object.entries(packages).filter(([path]) => path !== '')
    const needed = wanted.filter(([, { dev, devOptional, optional }]) => !dev && !devOptional && !optional)
    const unwanted = wanted.filter(([, { dev }]) => dev).map(([path]) => path)
    expect(needed.map(([path]) => path).filter((path) => !installed.includes(path))).toEqual([])
    expect(installed.filter((path) => unwanted.includes(path))).toEqual([])
    expect(needed.length).toBeGreaterThan(10)
  })

  test('beside them it has what is built, and neither sources nor tests nor settings of this folder', async () => {
    const own = (await filesOf(appOf())).filter((path) => !path.startsWith('node_modules/'))
    expect(own.filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))).toEqual([])
    expect(own.filter((path) => /(^|\/)(test|\.env|\.git|\.fluxmail|\.npmrc)(\/|$)/.test(path))).toEqual([])
    expect(own).toEqual(
      expect.arrayContaining(['package.json', 'dist/workers/deliver.js', 'dist/workers/ingress.js']),
    )
  })

  test('all of it is root’s, so that no process can change its own program', async () => {
    const paths = (await filesOf(appOf())).filter((path) => !path.startsWith('node_modules/'))
    const stats = await Promise.all(paths.map((path) => lstat(join(appOf(), path))))
    expect(paths.filter((_, index) => stats[index]?.uid !== 0)).toEqual([])
    expect(images.built[0]?.config.user).not.toMatch(/^(root|0)\b/)
  })

  test('it adds less than 100 MB to the image of Node', async () => {
    const root = images.built[0]?.files ?? ''
    const sizes = await Promise.all(
      (await filesOf(root)).map(async (path) => (await lstat(join(root, path))).size),
    )
    const size = sizes.reduce((sum, each) => sum + each, 0) / MB
    console.info(`the image is ${size.toFixed(1)} MB in ${sizes.length} files, beside that of Node`)
    expect(size).toBeLessThan(100)
    expect(size).toBeGreaterThan(5)
  })
})

describe.skipIf(why !== undefined)('the services with nothing configured, and the profile demo', () => {
  let stage: Stage
  let monitoring: Monitoring
  const worker = 'worker'

  beforeAll(async () => {
    stage = await openWholeFile(services, images)
    await stage.up()
    await Promise.all(stage.containers.map(healthy))
    const port = services.find(({ name }) => name === 'prometheus')?.ports[0]?.published
    monitoring = openMonitoring(stage, `http://127.0.0.1:${port}`)
  }, stageMs)
  afterAll(() => stage?.[Symbol.asyncDispose](), stageMs)

  /** Of a job, how many targets there are, once each of them answers. */
  const targetsOf = async (job: string): Promise<Target[] | undefined> => {
    const found = (await monitoring.targets()).filter((target) => target.job === job)
    return found.every(({ health }) => health === 'up') ? found : undefined
  }
  const addressesOf = (name: string) => stage.of(name).map(({ address }) => address)
  const hostsOf = (targets: readonly Target[]) => targets.map(({ instance }) => instance.split(':')[0])

  test('each has as many containers as the file states, and each health check passes', async () => {
    for (const { name, replicas } of services) expect([name, stage.of(name).length]).toEqual([name, replicas])
    expect(stage.of(worker)).toHaveLength(2)
    for (const container of stage.containers) expect(await container.check()).toMatchObject({ code: 0 })
  })

  test('each runs as somebody else than root, with no right of root’s and none to be had', async () => {
    for (const container of stage.containers) {
      const { Uid, Gid, CapEff, CapBnd, NoNewPrivs } = await container.status()
      const none = expect.stringMatching(/^0+$/)
      const who = [container.service.name, ...[Uid, Gid].map((ids) => /^0\b/.test(ids ?? '0'))]
      expect(who).toEqual([container.service.name, false, false])
      expect({ CapEff, CapBnd, NoNewPrivs }).toEqual({ CapEff: none, CapBnd: none, NoNewPrivs: '1' })
    }
  })

  test('none can write anywhere but where the file lets it', async () => {
    const writable = 'for d in / /app /etc /usr /root /var /opt /run; do [ -w $d ] && echo $d; done; true'
    for (const container of stage.containers) {
      expect([container.service.name, container.service.readOnly]).toEqual([container.service.name, true])
      const { stdout } = await container.exec(['sh', '-c', writable])
      expect([container.service.name, stdout]).toEqual([container.service.name, ''])
    }
  })

  test('every variable that the file states reaches its process, and every secret can be read there', async () => {
    for (const container of stage.containers) {
      const { environment, secrets } = container.service
      expect(await container.environment()).toMatchObject(environment)
      for (const { target } of secrets) {
        const { code } = await container.exec(['cat', target])
        expect([container.service.name, target, code]).toEqual([container.service.name, target, 0])
      }
    }
  })

  test('every published port is one at which its container listens, and leads there from loopback alone', async () => {
    for (const { name, ports } of services) {
      const [container] = stage.of(name)
      if (container === undefined) continue
      for (const { host, target } of ports) {
        expect([name, host]).toEqual([name, '127.0.0.1'])
        // Before it has users and a certificate, the ingress listens to nobody outside of its container.
        const listens = await stage.listens(container, target)
        expect([name, target, listens]).toEqual([name, target, name !== 'ingress'])
      }
    }
  })

  test(
    'Prometheus finds both workers and the ingress by DNS, and each is up',
    async () => {
      const workers = await eventually(
        'both workers are up',
        async () => {
          const found = await targetsOf('fluxmail-worker')
          return found?.length === 2 ? found : undefined
        },
        { withinMs: 30_000 },
      )
      expect(hostsOf(workers).sort()).toEqual(addressesOf(worker).sort())
      const ingress = await eventually('the ingress is up', () => targetsOf('fluxmail-ingress'))
      expect(hostsOf(ingress)).toEqual(addressesOf('ingress'))
      const up = await eventually('both jobs have been scraped', async () => {
        const found = await monitoring.query('count by (job) (up == 1)', 'job')
        return found.get('fluxmail-worker') === 2 && found.has('fluxmail-ingress') ? found : undefined
      })
      expect(up.get('fluxmail-ingress')).toBe(addressesOf('ingress').length)
    },
    stageMs,
  )

  test(
    'mail flows: what has been sent grows in Prometheus, by every worker, and in the inbox',
    async () => {
      const sent = () => monitoring.query('fluxmail_messages_sent_total', 'instance')
      const before = await eventually(
        'both workers have sent',
        async () => {
          const found = await sent()
          return found.size === 2 && [...found.values()].every((count) => count > 0) ? found : undefined
        },
        { withinMs: 60_000 },
      )
      await eventually(
        'both have sent more',
        async () => {
          const now = await sent()
          return [...before].every(([instance, count]) => (now.get(instance) ?? 0) > count)
        },
        { withinMs: 60_000 },
      )
      expect(await inboxCount(stage, services)).toBeGreaterThan(0)
    },
    stageMs,
  )

  test(
    'four workers are found within a look at DNS and two scrapes',
    async () => {
      const { scrape_configs: jobs, global } = parse(await monitoring.config()) as PrometheusConfig
      const job = jobs.find(({ job_name: name }) => name === 'fluxmail-worker')
      const scrapeMs = milliseconds(job?.scrape_interval ?? global.scrape_interval)
      const lookMs = milliseconds(job?.dns_sd_configs[0]?.refresh_interval ?? '30s')
      await stage.scale(worker, 4)
      // Prometheus hands what it finds on every five seconds.
      const withinMs = lookMs + 2 * scrapeMs + 5_000
      const found = await eventually(
        'four workers are up',
        async () => {
          const targets = await targetsOf('fluxmail-worker')
          return targets?.length === 4 ? targets : undefined
        },
        { withinMs },
      )
      expect(hostsOf(found).sort()).toEqual(addressesOf(worker).sort())
    },
    stageMs,
  )

  test('each stays below half of the memory that the file allows it', async () => {
    for (const container of stage.containers) {
      const { name, memoryBytes = Number.NaN } = container.service
      const { VmHWM = '' } = await container.status()
      expect([name, Number.parseInt(VmHWM, 10) * 1024 < memoryBytes / 2]).toEqual([name, true])
    }
  })

  test(
    'workers that are told to stop in the middle end in time, and what they leave is sent by the next, once',
    async () => {
      const leaving = stage.of(worker)
      const stopped = await Promise.all(leaving.map((container) => container.stop()))
      for (const { code, signal, ms } of stopped) {
        expect({ code, signal }).toEqual({ code: 0, signal: null })
        expect(ms).toBeLessThan(leaving[0]?.service.graceMs ?? 0)
      }
      const left = await eventually(
        'mail waits for a worker',
        async () => {
          const now = await countsBy(stage, 'ingress')
          return now.pending > now.delayed ? now : undefined
        },
        { withinMs: 30_000 },
      )
      expect(left).toSatisfy(isWhole)
      await stage.scale(worker, 2)
      for (const container of stage.of('demo-mail')) expect((await container.stop()).code).toBe(0)
      // What the sink has put off comes again after minutes; all else is to be sent now.
      const counts = await eventually(
        'nothing waits but what was put off',
        async () => {
          const now = await countsBy(stage, worker)
          const isDone = now.waiting + now.active === 0 && now.pending === now.delayed
          return isDone && now.delayed <= left.delayed + mostPutOff ? now : undefined
        },
        { withinMs: 60_000, everyMs: 500 },
      )
      expect(counts).toSatisfy(isWhole)
      expect(counts).toMatchObject({ unknown: 0, resent: 0 })
      expect(counts.sent).toBeGreaterThan(left.sent)
      const recorded = await inboxCount(stage, services)
      expect(recorded).toBeGreaterThanOrEqual(counts.sent)
      expect(recorded).toBeLessThanOrEqual((await countsBy(stage, worker)).sent)
    },
    stageMs,
  )

  test(
    'told to stop, each ends within its grace period with exit code 0, and Redis keeps every count',
    async () => {
      const first = stage.of(worker).map(async (each) => ({ service: each.service, ...(await each.stop()) }))
      const workers = await Promise.all(first)
      const before = await countsBy(stage, 'ingress')
      const stopped = [...workers, ...(await stage.down())]
      for (const { service, code, signal, ms } of stopped) {
        expect({ name: service.name, code, signal }).toEqual({ name: service.name, code: 0, signal: null })
        expect(ms).toBeLessThan(service.graceMs)
      }
      const names = new Set(stopped.map(({ service }) => service.name))
      // It was stopped already.
      expect(services.map(({ name }) => name).filter((name) => !names.has(name))).toEqual(['demo-mail'])
      await stage.up(['redis'])
      await Promise.all(stage.of('redis').map(healthy))
      expect(await countsBy(stage, worker)).toEqual(before)
    },
    stageMs,
  )
})

describe.skipIf(why !== undefined)(
  'with an ingress and a relay that are configured, their secrets in files',
  () => {
    let configured: Configured

    beforeAll(async () => {
      configured = await openConfigured(images)
      await configured.stage.up()
      await Promise.all(configured.stage.containers.map(healthy))
    }, stageMs)
    afterAll(() => configured?.[Symbol.asyncDispose](), stageMs)

    test('mail that a client submits at the published port goes to the relay that wants a login', async () => {
      const { stage, submit } = configured
      const { code, stdout, stderr } = await submit('ada@example.org', password)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/^250 /)
      const arrived = await eventually('it is in the inbox', async () => {
        const { body } = await stage.fetch('http://127.0.0.1:8025/api/messages')
        return body.includes('ada@example.org') ? body : undefined
      })
      expect(arrived).toContain('shop@example.com')
    })

    test('without a login, or with a wrong one, it is refused', async () => {
      expect(await configured.submit('ada@example.org', undefined)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/530|authenticat/i),
      })
      expect(await configured.submit('ada@example.org', 'wrong')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/535/),
      })
    })

    test('no secret is in an environment, a command line or a log', async () => {
      for (const container of configured.stage.of('worker').concat(configured.stage.of('ingress'))) {
        const told = JSON.stringify([
          await container.environment(),
          container.output(),
          container.service.command,
        ])
        for (const secret of [password, 'battery', '$scrypt$', 'PRIVATE KEY'])
          expect([container.service.name, secret, told.includes(secret)]).toEqual([
            container.service.name,
            secret,
            false,
          ])
      }
    })
  },
)

test('what no program stands in for here is given files and folders that are there', () => {
  const given = unstagedServices({ profiles: ['demo'] }).flatMap(({ mounts, secrets }) => [
    ...mounts.filter(({ type }) => type === 'bind').map(({ source }) => source),
    ...secrets.flatMap(({ file = [] }) => file),
  ])
  expect(given.filter((path) => !existsSync(path))).toEqual([])
  expect(given.length).toBeGreaterThan(0)
})

interface PrometheusConfig {
  readonly global: { readonly scrape_interval: string }
  readonly scrape_configs: readonly {
    readonly job_name: string
    readonly scrape_interval?: string
    readonly dns_sd_configs: readonly { readonly refresh_interval?: string }[]
  }[]
}

/** How many messages the sink has recorded, asked at the port that is published for its inbox page. */
async function inboxCount(stage: Stage, services: readonly Service[]): Promise<number> {
  const ports = services.find(({ name }) => name === 'sink')?.ports ?? []
  const answers = ports.map(({ published }) => stage.fetch(`http://127.0.0.1:${published}/api/stats`))
  const answer = await Promise.any(answers)
  return (JSON.parse(answer.body) as { messages: number }).messages
}
