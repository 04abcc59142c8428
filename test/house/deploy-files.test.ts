// The files that containers are started from, held against the schema of the compose specification and against what is
// in this repository: paths, ports, names of variables, commands.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { environmentVariables } from '../../src/environment.js'
import { fileVariables } from '../../src/environment-files.js'
import { run } from '../cli/terminal.js'
import { readCompose, type Service } from '../deploy/stage/compose-file.js'
import { parseDockerfile } from '../deploy/stage/dockerfile.js'

const text = readFileSync('docker-compose.yml', 'utf8')
const written = parse(text, { merge: true }) as {
  readonly services: Readonly<
    Record<
      string,
      { readonly environment?: Readonly<Record<string, string | null>>; readonly pull_policy?: string }
    >
  >
}
const services = readCompose(resolve('docker-compose.yml'), { profiles: ['demo'] })
const builders = services.filter(({ build }) => build !== undefined)
const own = services.filter(({ image }) => builders.some((builder) => builder.image === image))
const service = (name: string): Service => {
  const found = services.find((each) => each.name === name)
  if (found === undefined) throw new Error(`there is no service ${name}`)
  return found
}
const everyService = services.map((each) => [each.name, each] as const)

describe('the compose file, by the schema of the compose specification', () => {
  const folder = join(createRequire(import.meta.url).resolve('dclint/package.json'), '..', 'schemas')
  const schema = JSON.parse(readFileSync(join(folder, 'compose.schema.json'), 'utf8')) as object
  const validate = new Ajv({ strict: false, validateFormats: false, validateSchema: false }).compile(schema)

  test('is valid', () => {
    validate(parse(text, { merge: true }))
    expect(validate.errors).toBeNull()
  })

  test.each([
    ['a key that nobody knows', 'restart: unless-stopped', 'restrat: unless-stopped'],
    ['a list in place of a text', 'user: "999:1000"', 'user: [999, 1000]'],
    ['a port that is no port', ':9090"]', ':9090", { target: [9090] }]'],
  ])('is invalid with %s', (_, right, wrong) => {
    expect(text).toContain(right)
    expect(validate(parse(text.replace(right, wrong), { merge: true }))).toBe(false)
  })
})

describe.each(everyService)('the service %s', (_, each) => {
  test('runs as nobody special, can change nothing of itself, and has an end', () => {
    const { user, readOnly, dropAll, noNewPrivileges, memoryBytes = 0 } = each
    expect(user).toMatch(/^[1-9]\d*:\d+$/)
    expect({ readOnly, dropAll, noNewPrivileges }).toEqual({
      readOnly: true,
      dropAll: true,
      noNewPrivileges: true,
    })
    expect(memoryBytes).toBeGreaterThan(0)
    expect(each.graceMs).toBeGreaterThanOrEqual(15_000)
  })

  test('is made here, or from an image of one exact version', () => {
    if (!own.includes(each)) expect(each.image).toMatch(/:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?$/)
    for (const { build } of builders.filter(({ image }) => image === each.image))
      expect(existsSync(join(build?.context ?? '', build?.dockerfile ?? ''))).toBe(true)
  })

  test('names files and folders that are there, and publishes on loopback alone', () => {
    const sources = [
      ...each.mounts.filter(({ type }) => type === 'bind').map(({ source }) => source),
      ...each.secrets.flatMap(({ file = [] }) => file),
    ]
    expect(sources.filter((path) => !existsSync(path))).toEqual([])
    expect(each.ports.filter(({ host }) => host !== '127.0.0.1')).toEqual([])
  })

  test('is looked after: a health check, or a reason to have none', () => {
    const { healthcheck, name } = each
    // It has no port; whoever looks at the dashboard sees whether it puts mail in.
    if (name === 'demo-mail') expect(healthcheck?.test).toEqual([])
    else if (!own.includes(each) || name === 'sink') expect(healthcheck?.test?.length).toBeGreaterThan(0)
    else expect(imageCheck).toBeDefined()
  })
})

const dockerfile = parseDockerfile(readFileSync('deploy/Dockerfile', 'utf8'))
const image = dockerfile.at(-1)
const imageCheck = image?.config.healthcheck

test('one service alone builds the image, since two builds of one name at once may fail, and nobody pulls it', () => {
  expect(builders.map(({ name }) => name)).toEqual(['worker'])
  expect(own.map(({ name }) => name).sort()).toEqual(['demo-mail', 'ingress', 'sink', 'worker'])
  for (const { name } of own) expect([name, written.services[name]?.pull_policy]).toEqual([name, 'never'])
})

describe('the commands and what they are told', () => {
  test('every own command starts a file that is built, with flags that it has', async () => {
    for (const { command = [] } of own) {
      const [program, entry = '', ...args] = command
      expect([program, existsSync(sourceOf(entry))]).toEqual(['node', true])
      if (entry.endsWith('cli/main.js')) expect(await unknownFlags(args)).toEqual([])
    }
  })

  test('every variable is one that the program knows', () => {
    const known = new Set([...Object.keys(environmentVariables), ...Object.values(fileVariables)])
    for (const { environment } of own)
      expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([])
    const others = services.filter((each) => !own.includes(each))
    const strange = others
      .flatMap(({ environment }) => Object.keys(environment))
      .filter((name) => !/^GF_[A-Z_]+$/.test(name))
    expect(strange).toEqual([])
  })

  test('no secret is a variable: each comes in a file, and only where it is named', () => {
    const named = Object.values(written.services).flatMap(({ environment = {} }) => Object.keys(environment))
    const secret = Object.entries(environmentVariables).filter(([, { kind }]) => kind === 'secret')
    expect(secret.map(([name]) => name).filter((name) => named.includes(name))).toEqual([])
    const variables = { FLUXMAIL_PASSWORD_FILE: './password', FLUXMAIL_INGRESS_USERS: './users.json' }
    const told = readCompose(resolve('docker-compose.yml'), { variables })
    const worker = told.find(({ name }) => name === 'worker')
    expect(worker?.environment.FLUXMAIL_PASSWORD_FILE).toBe('/run/secrets/password')
    expect(worker?.secrets).toContainEqual({ target: '/run/secrets/password', file: resolve('password') })
    const ingress = told.find(({ name }) => name === 'ingress')
    expect(ingress?.environment).toMatchObject({
      FLUXMAIL_INGRESS_HOST: '0.0.0.0',
      FLUXMAIL_INGRESS_USERS: '/run/secrets/ingress_users',
    })
    expect(service('worker').environment).toMatchObject({ FLUXMAIL_PASSWORD_FILE: '', FLUXMAIL_CONFIG: '' })
  })

  test.each([
    ['nothing is configured', {}, 'sink'],
    ['a host is', { FLUXMAIL_HOST: 'smtp.example.org' }, 'smtp.example.org'],
    ['a preset is, beside no host', { FLUXMAIL_HOST: '', FLUXMAIL_PRESET: 'postmark' }, ''],
  ])('where %s, the relay is that', (_, variables, host) => {
    const told = readCompose(resolve('docker-compose.yml'), { variables })
    expect(told.find(({ name }) => name === 'worker')?.environment.FLUXMAIL_HOST).toBe(host)
  })

  test('the mail of the demo is told of every relay that workers have, to keep away from it', () => {
    const variables = { FLUXMAIL_HOST: 'a.example', FLUXMAIL_PRESET: 'ses', FLUXMAIL_CONFIG: 'c.json' }
    const told = readCompose(resolve('docker-compose.yml'), { variables, profiles: ['demo'] })
    expect(told.find(({ name }) => name === 'demo-mail')?.environment).toMatchObject({
      FLUXMAIL_HOST: 'a.example',
      FLUXMAIL_PRESET: 'ses',
      FLUXMAIL_CONFIG: '/run/secrets/config',
    })
    expect(service('demo-mail').environment).not.toHaveProperty('FLUXMAIL_HOST')
  })

  test('a published port may be another, or another address', () => {
    const variables = { PUBLISH_INGRESS: '192.0.2.1:587' }
    const told = readCompose(resolve('docker-compose.yml'), { variables })
    const { ports } = told.find(({ name }) => name === 'ingress') ?? {}
    expect(ports).toEqual([{ host: '192.0.2.1', published: 587, target: 2587 }])
  })

  test('every setting of a worker or an ingress can be given', () => {
    const passed = new Set(
      ['worker', 'ingress'].flatMap((name) => Object.keys(written.services[name]?.environment ?? {})),
    )
    const missing = Object.keys(environmentVariables).filter(
      (name) =>
        !passed.has(name) && !passed.has(fileVariables[name] ?? '') && !Object.hasOwn(notPassed, name),
    )
    expect(missing).toEqual([])
    expect(Object.keys(notPassed).filter((name) => passed.has(name))).toEqual([])
  })
})

/** Why a variable has no place in the file. */
const notPassed = {
  FLUXMAIL_REDIS_CA_FILE: 'the Redis of the file has no TLS',
  FLUXMAIL_REDIS_CERT_FILE: 'the Redis of the file has no TLS',
  FLUXMAIL_REDIS_KEY_FILE: 'the Redis of the file has no TLS',
  FLUXMAIL_TYPE: 'for sending without the queue',
  FLUXMAIL_MAX_RETRIES: 'for sending without the queue',
  FLUXMAIL_RETRY_DELAY: 'for sending without the queue',
  FLUXMAIL_SENDER: 'for those who make emails',
  FLUXMAIL_DKIM_KEY: 'comes in the file of FLUXMAIL_DKIM_KEY_FILE',
  FLUXMAIL_OAUTH2_KEY: 'comes in the file of FLUXMAIL_OAUTH2_KEY_FILE',
  FLUXMAIL_OAUTH2_ACCESS_TOKEN: 'lives for an hour',
  FLUXMAIL_HTTP_HOST: 'said by the image',
  FLUXMAIL_INGRESS_PORT: 'the published port leads there',
  FLUXMAIL_INGRESS_SECURE_PORT: 'no port leads there',
} as const

describe('what the files say to each other', () => {
  test('a worker may drain before it is killed', () => {
    for (const { environment, graceMs } of [service('worker'), service('ingress')]) {
      expect(graceMs).toBeGreaterThan(Number(environment.FLUXMAIL_DRAIN_SECONDS) * 1_000)
    }
  })

  test('Prometheus looks where workers and the ingress have their metrics, and Grafana where Prometheus is', () => {
    const { scrape_configs: jobs } = parse(
      readFileSync('deploy/prometheus/prometheus.yml', 'utf8'),
    ) as Scraping
    const targets = jobs.flatMap(({ dns_sd_configs: places }) => places)
    const portOf = ({ environment }: Service) =>
      Number(environment.FLUXMAIL_HTTP_PORT ?? image?.config.env.FLUXMAIL_HTTP_PORT)
    expect(targets.map(({ names: [name = ''], port }) => [name, port])).toEqual(
      [service('worker'), service('ingress')].map((each) => [each.name, portOf(each)]),
    )
    const { datasources } = parse(
      readFileSync('deploy/grafana/provisioning/datasources/prometheus.yml', 'utf8'),
    ) as {
      readonly datasources: readonly { readonly url: string }[]
    }
    expect(datasources.map(({ url }) => url)).toEqual([
      `http://prometheus:${service('prometheus').ports[0]?.target}`,
    ])
  })

  test('what the configuration of Prometheus and of Grafana names inside their containers is mounted there', () => {
    const mounted = (name: string) => service(name).mounts.map(({ target }) => target)
    const { rule_files: rules } = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8')) as Scraping
    expect(rules.filter((path) => !mounted('prometheus').includes(path))).toEqual([])
    const { providers } = parse(
      readFileSync('deploy/grafana/provisioning/dashboards/fluxmail.yml', 'utf8'),
    ) as {
      readonly providers: readonly { readonly options: { readonly path: string } }[]
    }
    expect(
      providers.map(({ options }) => options.path).filter((path) => !mounted('grafana').includes(path)),
    ).toEqual([])
    const home = service('grafana').environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH ?? ''
    expect(existsSync(home.replace('/var/lib/grafana', 'deploy/grafana'))).toBe(true)
  })

  test('the image is built from files that are there, and that its context is not kept from', () => {
    const copied = dockerfile
      .flatMap(({ instructions }) => instructions)
      .filter(({ name }) => name === 'COPY')
    expect(copied.length).toBeGreaterThan(4)
    const sources = copied.flatMap(({ flags, words }) => (flags.from === undefined ? words.slice(0, -1) : []))
    expect(sources.filter((path) => !existsSync(path))).toEqual([])
    for (const { from } of dockerfile)
      if (from.includes(':')) expect(from).toMatch(/^node:\d+\.\d+\.\d+-[a-z-]+$/)
  })
})

interface Scraping {
  readonly rule_files: readonly string[]
  readonly scrape_configs: readonly {
    readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly port: number }[]
  }[]
}

/** What a built file is made of. */
function sourceOf(built: string): string {
  return built.replace(/^dist\//, '').replace(/\.js$/, '.ts')
}

async function unknownFlags([name = '', ...args]: readonly string[]): Promise<string[]> {
  const { stdout } = await run([name, '--help'])
  return args.filter((arg) => arg.startsWith('--') && !stdout.includes(`${arg} `))
}
