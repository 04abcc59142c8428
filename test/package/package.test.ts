import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const project = resolve(import.meta.dirname, '..', '..')
const tool = (name: string) => join(project, 'node_modules', '.bin', name)

/** What a user needs. Whatever else turns up in the tarball is a mistake. */
const wanted = [
  /^package\.json$/,
  /^(README|CHANGELOG)\.md$/,
  /^LICENSE$/,
  /^dist\/(src|workers)\/[a-z0-9/-]+\.(js|d\.ts)$/,
  /^dist\/src\/[a-z0-9/-]+\.(html|css|lua)$/,
  /^scripts\/demo\/[a-z0-9-]+\.(csv|html|txt|pdf|png|svg)$/,
]
const required = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'dist/src/index.js',
  'dist/src/index.d.ts',
  'dist/src/cli/main.js',
  'dist/src/smtp/signing-entry.js',
  'dist/workers/deliver.js',
  'scripts/demo/recipients.csv',
]

const installMs = 180_000
const checkMs = 60_000

let folder: string
let tarball: string
let files: { path: string; size: number }[]

/** Runs a program in the consumer's folder; a failure shows all that it printed. */
async function inFolder(program: string, ...args: string[]): Promise<string> {
  try {
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }
    return (await run(program, args, { cwd: folder, env, maxBuffer: 1 << 26 })).stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error })
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxmail-package-'))
  const pack = ['pack', project, '--json', '--ignore-scripts', '--pack-destination', folder]
  const [packed] = JSON.parse(await inFolder('npm', ...pack))
  files = packed.files
  tarball = join(folder, packed.filename)
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n')
  await inFolder('npm', 'install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error')
}, installMs)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

test('the tarball holds what users need and nothing else', () => {
  const paths = files.map(({ path }) => path)
  expect(paths.filter((path) => !wanted.some((pattern) => pattern.test(path)))).toEqual([])
  expect(required.filter((path) => !paths.includes(path))).toEqual([])
  const code = paths.filter((path) => path.endsWith('.js'))
  expect(code.filter((path) => !paths.includes(path.replace(/\.js$/, '.d.ts')))).toEqual([])
})

test('no file in the tarball names a source map, since none is packed', async () => {
  const code = files.filter(({ path }) => /\.(js|d\.ts)$/.test(path))
  const texts = await Promise.all(code.map(({ path }) => readFile(join(project, path), 'utf8')))
  expect(texts.filter((text) => text.includes('sourceMappingURL'))).toEqual([])
})

test('installed in an empty folder, it is imported by a module and required by a script alike', async () => {
  await writeFile(
    join(folder, 'esm.mjs'),
    "import * as all from 'fluxmail'\nconsole.log(Object.keys(all).sort().join())\n",
  )
  await writeFile(join(folder, 'cjs.cjs'), "console.log(Object.keys(require('fluxmail')).sort().join())\n")
  const imported = await inFolder(process.execPath, 'esm.mjs')
  const required = await inFolder(process.execPath, 'cjs.cjs')
  const names = imported.trim().split(',')
  expect(names).toEqual(
    expect.arrayContaining([
      'DeliveryWorker',
      'Email',
      'EmailTemplate',
      'FluxMail',
      'FluxMailError',
      'MailQueue',
    ]),
  )
  expect(required.replace('__esModule,', '')).toBe(imported)
})

test('importing it opens nothing: the process ends at once and says nothing', async () => {
  await writeFile(
    join(folder, 'quiet.mjs'),
    "import 'fluxmail'\nprocess.stdout.write(process.getActiveResourcesInfo().join())\n",
  )
  const active = await inFolder(process.execPath, 'quiet.mjs')
  // FSReqCallback: Node's own loader may still be reading a module; it ends by itself.
  const passing = /^(|PipeWrap|TTYWrap|CloseReq|Immediate|FSReqCallback)$/
  expect(active.split(',').filter((kind) => !passing.test(kind))).toEqual([])
})

test.each([
  ['commonjs', 'consumer.cts'],
  ['module', 'consumer.mts'],
])('its types are right for a %s consumer', async (_, file) => {
  const lines = [
    "import { FluxMail, FluxMailError, type Email } from 'fluxmail'",
    "const mail = new FluxMail({ host: '127.0.0.1', sender: 'news@example.org' })",
    "const email: Email = mail.create({ subject: 'Hello', recipients: ['ada@example.org'], body: 'Hi' })",
    'export const subject: string = email.parts.subject',
    'export const isOurs = (error: unknown): boolean => error instanceof FluxMailError',
    '// @ts-expect-error: a subject is text',
    "mail.create({ subject: 5, recipients: ['ada@example.org'], body: 'Hi' })",
  ]
  await writeFile(join(folder, file), `${lines.join('\n')}\n`)
  const roots = join(project, 'node_modules', '@types')
  const flags = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--noEmit',
  ]
  await inFolder(tool('tsc'), ...flags, '--skipLibCheck', '--typeRoots', roots, '--types', 'node', file)
})

test('mail that it sends at the same time is signed in a thread, which ends with it', async () => {
  const lines = [
    "import { generateKeyPairSync } from 'node:crypto'",
    "import { text } from 'node:stream/consumers'",
    "import { FluxMail } from 'fluxmail'",
    "import { SMTPServer } from 'smtp-server'",
    'const bodies = []',
    'const onData = (stream, _, done) => void text(stream).then((body) => done(null, bodies.push(body)))',
    "const server = new SMTPServer({ authOptional: true, disabledCommands: ['STARTTLS'], onData })",
    "await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))",
    'const { port } = server.server.address()',
    "const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })",
    "const dkim = { domainName: 'example.org', keySelector: 'k', privateKey }",
    "const mail = new FluxMail({ host: '127.0.0.1', port, sender: 'news@example.org', useTls: false, dkim })",
    'let ready = 0',
    "process.on('worker', (thread) => thread.once('message', () => void ready++))",
    "const send = (n) => mail.send({ subject: 'Hello', recipients: ['r' + n + '@example.org'], body: 'Hi' })",
    'const sendMany = () => Promise.all(Array.from({ length: 12 }, (_, n) => send(n)))',
    'for (let time = 0; ready === 0 && time < 50; time += 1) await sendMany()',
    'await sendMany()',
    'await mail.close()',
    'await new Promise((resolve) => server.close(resolve))',
    "const signed = bodies.filter((body) => body.startsWith('DKIM-Signature:')).length",
    "process.stdout.write([ready, signed === bodies.length, signed % 12].join(' '))",
  ]
  await writeFile(join(folder, 'signing.mjs'), `${lines.join('\n')}\n`)
  expect(await inFolder(process.execPath, 'signing.mjs')).toBe('1 true 0')
})

test('its command shows its help', async () => {
  expect(await inFolder(join(folder, 'node_modules', '.bin', 'fluxmail'), '--help')).toContain('fluxmail')
})

test(
  'publint has nothing to say',
  async () => {
    expect(await inFolder(tool('publint'), 'run', tarball, '--strict')).toContain('All good!')
  },
  checkMs,
)

test(
  'are-the-types-wrong finds nothing wrong for modules',
  async () => {
    expect(await inFolder(tool('attw'), tarball, '--profile', 'esm-only')).toMatch(
      /node16 \(from ESM\).*🟢 \(ESM\)/,
    )
  },
  checkMs,
)
