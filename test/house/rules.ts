// The rules of the house, as data: what each forbids, where, and an example that it has to catch.

import type { Import, Source } from './source.js'

export type House = ReadonlyMap<string, Source>

/** One place where a rule is broken. */
export interface Breach {
  readonly path: string
  readonly line: number
  readonly what: string
}

export interface Rule {
  readonly name: string
  breaches(house: House): Breach[]
  /** Files, by path, each of which alone breaks the rule; or a set of files that do so together. */
  readonly caught: readonly Record<string, string>[]
  /** Files that the rule has nothing against. */
  readonly allowed: readonly Record<string, string>[]
}

const opening = '// What it is.\n\n'
const code = /^(src|workers)\/.*\.ts$/
const anyCode = /^(src|workers|scripts)\/.*\.(ts|mjs)$/

function within(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place))
}

function everySource(house: House, where: RegExp, look: (source: Source) => Breach[]): Breach[] {
  return [...house.values()].filter(({ path }) => where.test(path)).flatMap(look)
}

function at(source: Source, line: number, what: string): Breach {
  return { path: source.path, line, what }
}

function isOf(specifier: string, name: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`)
}

// Fences: a package belongs to the places that are named, and is nowhere else.

interface Fence {
  readonly packages: readonly string[]
  readonly only: readonly string[]
  readonly typesElsewhere?: true
}

const fences: readonly Fence[] = [
  { packages: ['bullmq'], only: ['src/queue/'] },
  {
    packages: ['nodemailer'],
    only: ['src/smtp/', 'src/content/mime.ts', 'src/nodemailer-transport.ts', 'src/message/address.ts'],
  },
  { packages: ['nunjucks', 'juice'], only: ['src/content/'] },
  { packages: ['bottleneck'], only: ['src/delivery/permit.ts'] },
  { packages: ['smtp-server', 'mailparser', 'postal-mime'], only: ['src/ingress/', 'src/sink/'] },
  {
    packages: ['ioredis'],
    only: ['src/redis.ts', 'src/redis-cluster.ts', 'src/redis-gathering.ts'],
    typesElsewhere: true,
  },
  { packages: ['pino', 'prom-client'], only: ['src/telemetry/'] },
]

function fenceRule({ packages, only, typesElsewhere }: Fence): Rule {
  const isForbidden = ({ specifier, typeOnly }: Import) =>
    packages.some((name) => isOf(specifier, name)) && !(typesElsewhere && typeOnly)
  const [name = ''] = packages
  const home = `${only[0]}`.replace(/\/$/, '/room.ts')
  return {
    name: `${packages.join(', ')}: only in ${only.join(', ')}${typesElsewhere ? '; types anywhere' : ''}`,
    breaches: (house) =>
      everySource(house, code, (source) =>
        within(source.path, only)
          ? []
          : source.imports
              .filter(isForbidden)
              .map(({ specifier, line }) => at(source, line, `imports ${specifier}`)),
      ),
    caught: [
      ...packages.map((each) => ({ 'src/fluxmail.ts': `import x from '${each}'` })),
      { 'src/fluxmail.ts': `export * from '${name}/lib/deep.js'` },
      { 'workers/deliver.ts': `const x = await import('${name}')` },
      typesElsewhere
        ? { 'src/fluxmail.ts': `import { type A, B } from '${name}'` }
        : { 'src/fluxmail.ts': `import type { A } from '${name}'` },
    ],
    allowed: [
      { [home]: `import x from '${name}'` },
      { 'src/fluxmail.ts': `// import x from '${name}'\nimport x from '${name}-of-another-kind'` },
      ...(typesElsewhere ? [{ 'src/fluxmail.ts': `import type { A } from '${name}'` }] : []),
    ],
  }
}

const addressRule: Rule = {
  name: 'src/message/address.ts has the address parser of nodemailer and nothing else of it',
  breaches: (house) =>
    everySource(house, /^src\/message\/address\.ts$/, (source) =>
      source.imports
        .filter(
          ({ specifier }) =>
            isOf(specifier, 'nodemailer') && !isOf(specifier, 'nodemailer/lib/addressparser'),
        )
        .map(({ specifier, line }) => at(source, line, `imports ${specifier}`)),
    ),
  caught: [{ 'src/message/address.ts': "import { createTransport } from 'nodemailer'" }],
  allowed: [{ 'src/message/address.ts': "import parse from 'nodemailer/lib/addressparser'" }],
}

// Globals: a use belongs to the files that are named.

interface Owned {
  readonly name: string
  readonly where: RegExp
  readonly only: readonly string[]
  isForbidden(use: string): boolean
  readonly modules?: RegExp
  readonly caught: readonly string[]
  readonly allowed: readonly string[]
}

const timeAndChance = new Set([
  'Date.now',
  'Math.random',
  'performance.now',
  'process.hrtime',
  'AbortSignal.timeout',
])
const timers = new Set(['setTimeout', 'setInterval', 'setImmediate', 'new Date()'])
const listening = /^process\.(on|once|addListener|prependListener) (SIG.*|\*)$/

const owned: readonly Owned[] = [
  {
    name: 'time, chance and timers',
    where: code,
    only: ['src/clock.ts'],
    isForbidden: (use) => timeAndChance.has(use) || timers.has(use) || use.startsWith('process.hrtime'),
    modules: /^(node:)?timers(\/|$)/,
    caught: [
      'const at = Date.now()',
      'const at = new Date()',
      'const now = Date.now',
      'const chance = globalThis.Math.random()',
      'await new Promise((settle) => setTimeout(settle, 5))',
      'globalThis.setInterval(() => {}, 5)',
      'const wait = setImmediate',
      "import { setTimeout as sleep } from 'node:timers/promises'",
      'const signal = AbortSignal.timeout(5)',
      'const { now } = Date',
    ],
    allowed: [
      'const at = new Date(5)',
      'socket.setTimeout(5)',
      "import { setTimeout } from './clock.js'",
      "'Date.now()'",
    ],
  },
  {
    name: 'process.env',
    where: anyCode,
    only: ['src/config.ts', 'scripts/setup.mjs'],
    isForbidden: (use) => use === 'process.env',
    caught: [
      'const path = process.env.PATH',
      'const { env } = process',
      "import { env } from 'node:process'",
      "const path = process['env']",
    ],
    allowed: ['const path = config.env.PATH', 'const folder = process.cwd()'],
  },
  {
    name: 'signals and process.exit',
    where: code,
    only: ['workers/run.ts', 'src/cli/main.ts'],
    isForbidden: (use) => /^process\.exit$/.test(use) || listening.test(use),
    caught: [
      'process.exit(1)',
      "process.on('SIGTERM', stop)",
      "process.once('SIGINT', stop)",
      "for (const name of ['SIGINT']) process.on(name, stop)",
      "import { exit } from 'node:process'",
    ],
    allowed: ["process.on('message', read)", 'process.exitCode = 1', "child.kill('SIGTERM')"],
  },
]

function ownedRule({ name, where, only, isForbidden, modules, caught, allowed }: Owned): Rule {
  const find = (source: Source): Breach[] => [
    ...source.uses
      .filter((use) => isForbidden(use.name))
      .map((use) => at(source, use.line, `uses ${use.name}`)),
    ...source.imports
      .filter(({ specifier }) => modules?.test(specifier))
      .map(({ specifier, line }) => at(source, line, `imports ${specifier}`)),
  ]
  return {
    name: `${name}: only in ${only.join(', ')}`,
    breaches: (house) =>
      everySource(house, where, (source) => (within(source.path, only) ? [] : find(source))),
    caught: caught.map((line) => ({ 'src/queue/consume.ts': line })),
    allowed: [
      ...allowed.map((line) => ({ 'src/queue/consume.ts': line })),
      ...only.map((path) => ({ [path]: caught.join('\n').replace(/const (\{ \w+ \}|\w+) =/g, 'void') })),
    ],
  }
}

// Rooms without I/O

const quietRooms = ['src/message/', 'src/delivery/']
const nodeIo =
  /^(node:)?(fs|net|tls|http|https|http2|dns|dgram|child_process|worker_threads|cluster|readline|repl|sqlite)(\/|$)/
const packagesWithIo = [
  'ioredis',
  'bullmq',
  'fastify',
  'smtp-server',
  'pino',
  'prom-client',
  'cli-progress',
  'commander',
]
const roomsWithIo =
  /^src\/((smtp|queue|store|telemetry|sink|ops|ingress|cli)\/|redis(-cluster)?\.ts|content\/read-file\.ts)/

function doesIo({ specifier, target, typeOnly }: Import): boolean {
  if (typeOnly) return false
  if (target !== undefined) return roomsWithIo.test(target)
  return nodeIo.test(specifier) || packagesWithIo.some((name) => isOf(specifier, name))
}

const quietRule: Rule = {
  name: `no I/O in ${quietRooms.join(', ')}`,
  breaches: (house) =>
    everySource(house, /^src\/(message|delivery)\//, (source) => [
      ...source.imports.filter(doesIo).map(({ specifier, line }) => at(source, line, `imports ${specifier}`)),
      ...source.uses.filter(({ name }) => name === 'fetch').map(({ line }) => at(source, line, 'uses fetch')),
    ]),
  caught: [
    { 'src/message/email.ts': "import { readFileSync } from 'node:fs'" },
    { 'src/message/email.ts': "import { readFile } from 'fs/promises'" },
    { 'src/delivery/attempt.ts': "import { connect } from 'node:net'" },
    { 'src/delivery/attempt.ts': "import { openRedis } from '../redis.js'" },
    { 'src/delivery/attempt.ts': "import { settle } from '../queue/settle.js'" },
    { 'src/delivery/attempt.ts': "const page = await fetch('http://127.0.0.1')" },
  ],
  allowed: [
    {
      'src/delivery/attempt.ts':
        "import type { Relay } from '../smtp/relay.js'\nimport { now } from '../clock.js'",
    },
    { 'src/store/contents.ts': "import { readFileSync } from 'node:fs'" },
  ],
}

// Doors

const doors = /^src\/(index\.ts|(ops|ingress|cli|sink)\/)/

const doorRule: Rule = {
  name: 'workers/ and scripts/ import src/index.ts or a door (ops, ingress, cli, sink), never a deep file',
  breaches: (house) =>
    everySource(house, /^(workers|scripts)\//, (source) =>
      source.imports
        .filter(({ target }) => target?.startsWith('src/') && !doors.test(target))
        .map(({ specifier, line }) => at(source, line, `imports ${specifier}`)),
    ),
  caught: [
    { 'workers/deliver.ts': "import { consume } from '../src/queue/consume.js'" },
    { 'scripts/bench/run.ts': "import type { Config } from '../../src/config.js'" },
  ],
  allowed: [
    {
      'workers/deliver.ts':
        "import { DeliveryWorker } from '../src/index.js'\nimport { run } from './run.js'",
    },
    { 'scripts/demo/demo.ts': "import { openSink } from '../../src/sink/sink.js'" },
  ],
}

// Cycles

function pathTo(house: House, from: string, to: string, seen: Set<string>): string[] | undefined {
  if (seen.has(from)) return undefined
  seen.add(from)
  for (const { target } of house.get(from)?.imports ?? []) {
    if (target === to) return [from]
    const rest = target === undefined ? undefined : pathTo(house, target, to, seen)
    if (rest) return [from, ...rest]
  }
  return undefined
}

const cycleRule: Rule = {
  name: 'no import cycles, not even of types',
  breaches: (house) =>
    everySource(house, anyCode, (source) => {
      const cycle = pathTo(house, source.path, source.path, new Set())
      return cycle ? [at(source, 1, `is in a cycle: ${[...cycle, source.path].join(' > ')}`)] : []
    }),
  caught: [
    { 'src/a.ts': "import { b } from './b.js'", 'src/b.ts': "export { a } from './a.js'" },
    {
      'src/a.ts': "import { b } from './room/b.js'",
      'src/room/b.ts': "import type { C } from './c.js'",
      'src/room/c.ts': "const a = await import('../a.js')",
    },
  ],
  allowed: [
    { 'src/a.ts': "import { b } from './b.js'", 'src/b.ts': "import { c } from './c.js'", 'src/c.ts': '' },
  ],
}

// Names, lengths, openings, words

const emptyNames = /^(utils?|helpers?|common|types?|managers?|misc|shared)$|-(utils?|helpers?|manager)$/

const nameRule: Rule = {
  name: 'files and folders are kebab-case and named for what they are',
  breaches: (house) =>
    everySource(house, anyCode, (source) => {
      const names = source.path.split('/').map((name) => name.replace(/\.\w+$/, ''))
      const wrong = names.filter((name) => emptyNames.test(name) || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))
      return wrong.map((name) => at(source, 1, `has ${name} in its path`))
    }),
  caught: [
    'utils',
    'queue-helpers',
    'types',
    'queueManager',
    'Queue',
    'helpers/queue',
    'connection-manager',
  ].map((name) => ({ [`src/${name}.ts`]: opening })),
  allowed: [{ 'src/message/email-parts.ts': opening, 'scripts/setup.mjs': opening }],
}

const longestFile = 400
const longestFunction = 60

const fileLengthRule: Rule = {
  name: `no file is longer than ${longestFile} lines`,
  breaches: (house) =>
    everySource(house, anyCode, (source) => {
      const length = source.lines.length - (source.lines.at(-1) === '' ? 1 : 0)
      return length > longestFile ? [at(source, length, `has ${length} lines`)] : []
    }),
  caught: [{ 'src/a.ts': 'void 0\n'.repeat(longestFile + 1) }],
  allowed: [{ 'src/a.ts': 'void 0\n'.repeat(longestFile) }],
}

const functionLengthRule: Rule = {
  name: `no function is longer than ${longestFunction} lines`,
  breaches: (house) =>
    everySource(house, anyCode, (source) =>
      source.functions
        .filter(({ length }) => length > longestFunction)
        .map(({ line, length }) => at(source, line, `has a function of ${length} lines`)),
    ),
  caught: [
    { 'src/a.ts': `function a() {\n${'void 0\n'.repeat(longestFunction)}}` },
    { 'src/a.ts': `class A {\na = () => {\n${'void 0\n'.repeat(longestFunction)}}}` },
  ],
  allowed: [{ 'src/a.ts': `function a() {\n${'void 0\n'.repeat(longestFunction - 2)}}` }],
}

const openingRule: Rule = {
  name: 'every module opens with a comment of one to three lines',
  breaches: (house) =>
    everySource(house, anyCode, (source) => {
      const lines = source.lines[0]?.startsWith('#!') ? source.lines.slice(1) : source.lines
      const length = lines.findIndex((line) => !line.startsWith('//'))
      return length >= 1 && length <= 3 ? [] : [at(source, 1, `opens with ${length} lines of comment`)]
    }),
  caught: [
    { 'src/a.ts': "import { b } from './b.js'\n" },
    { 'src/a.ts': '\n// Too late.\n' },
    { 'src/a.ts': '// 1\n// 2\n// 3\n// 4\nvoid 0\n' },
    { 'workers/a.ts': '/* Of another kind. */\n' },
  ],
  allowed: [
    { 'src/a.ts': '// 1\n// 2\n// 3\n\nvoid 0\n' },
    { 'src/cli/main.ts': '#!/usr/bin/env node\n// 1\n' },
  ],
}

const unwanted: readonly RegExp[] = [
  /\b(TODO|FIXME|XXX|HACK)\b/,
  /\bissues? #?\d+\b/i,
  /\b(next|previous|earlier|later|another|this) (issue|ticket)\b/i,
  /\/work\//,
  /\bregistry\.[a-z0-9-]+\.[a-z]{2,}\b/,
]

const wordRule: Rule = {
  name: 'no note to self, issue number or path of one machine',
  breaches: (house) =>
    everySource(house, /^(?!test\/(house|delivery\/corpus)\/)/, (source) =>
      source.lines.flatMap((line, index) =>
        unwanted
          .filter((pattern) => pattern.test(line))
          .map((pattern) => at(source, index + 1, `says ${pattern.exec(line)}`)),
      ),
    ),
  caught: ['TODO: later', 'see issue 12', 'comes with the next issue', 'cd /work/x'].map((words) => ({
    'src/a.ts': `// ${words}`,
  })),
  allowed: [{ 'src/a.ts': '// The relay may issue a 421; todos and networks are fine.' }],
}

const silencedRule: Rule = {
  name: 'no type check is silenced',
  breaches: (house) =>
    everySource(house, anyCode, (source) =>
      source.lines.flatMap((line, index) => {
        const found = /@ts-(ignore|nocheck|expect-error)/.exec(line)
        return found ? [at(source, index + 1, `says ${found[0]}`)] : []
      }),
    ),
  caught: [{ 'src/a.ts': '// @ts-ignore' }, { 'workers/a.ts': '// @ts-expect-error: known' }],
  allowed: [{ 'src/a.ts': 'const b = c as D' }],
}

export const rules: readonly Rule[] = [
  ...fences.map(fenceRule),
  addressRule,
  ...owned.map(ownedRule),
  quietRule,
  doorRule,
  cycleRule,
  nameRule,
  fileLengthRule,
  functionLengthRule,
  openingRule,
  wordRule,
  silencedRule,
]
