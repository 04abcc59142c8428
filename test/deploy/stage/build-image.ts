// The steps of a Dockerfile run without Docker: each stage in a root of its own, COPY from the context by its
// .dockerignore, RUN as root with this machine's network. A step that is not known is an error.

import { execFile } from 'node:child_process'
import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { chmod, cp, lchown, mkdir, mkdtemp, readdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { type DockerStage, type Instruction, parseDockerfile } from './dockerfile.js'
import { parseDockerignore } from './dockerignore.js'
import type { Image } from './image.js'
import { type Mount, nodeMounts, scriptOf, systemEnv, unshare } from './root.js'

export interface Build {
  readonly context: string
  /** Relative to the context. */
  readonly dockerfile: string
  readonly target?: string | undefined
}

export interface BuiltImage extends Image {
  /** What the Dockerfile put into the image, as it lies there: `app/dist/…`. */
  readonly files: string
  readonly stages: readonly DockerStage[]
}

const exec = promisify(execFile)
const buildMs = 400_000

/** Builds below `folder`, which is to be empty. */
export async function buildImage(
  { context, dockerfile, target }: Build,
  folder: string,
): Promise<BuiltImage> {
  const stages = parseDockerfile(await readFile(join(context, dockerfile), 'utf8'))
  const last = target === undefined ? stages.at(-1) : stages.find(({ name }) => name === target)
  if (last === undefined) throw new Error(`${dockerfile} has no stage ${target ?? ''}`)
  const ignored = join(context, `${dockerfile}.dockerignore`)
  const fallback = join(context, '.dockerignore')
  const file = [ignored, fallback].find((path) => existsSync(path))
  const isLeftOut = parseDockerignore(file === undefined ? '' : readFileSync(file, 'utf8'))
  const rootOf = (stage: string) => join(folder, stage)
  for (const stage of neededFor(last, stages)) {
    const root = rootOf(stage.name)
    if (stages.some(({ name }) => name === stage.from)) await cp(rootOf(stage.from), root, copyOptions)
    else await mkdir(root, { recursive: true })
    const work = { root, workdir: '/', context, isLeftOut, rootOf, folder, env: stage.config.env }
    for (const instruction of stage.instructions) await runStep(instruction, work)
  }
  const files = rootOf(last.name)
  const layers = (await readdir(files)).map(
    (name): Mount => ({ kind: 'layer', source: join(files, name), target: `/${name}` }),
  )
  return {
    files,
    stages,
    config: last.config,
    mounts: [...nodeMounts(), ...layers],
    users: { node: 1000 },
    folders: {},
  }
}

const copyOptions = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true } as const

function neededFor(last: DockerStage, stages: readonly DockerStage[]): DockerStage[] {
  const named = [last.from, ...last.instructions.map(({ flags }) => flags.from)]
  const before = stages.filter(({ name }) => name !== last.name && named.includes(name))
  return [...new Set([...before.flatMap((stage) => neededFor(stage, stages)), last])]
}

interface Work {
  readonly root: string
  workdir: string
  readonly context: string
  readonly isLeftOut: (path: string) => boolean
  readonly rootOf: (stage: string) => string
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

async function runStep({ name, flags, words }: Instruction, work: Work): Promise<void> {
  if (name === 'WORKDIR') {
    work.workdir = resolve(work.workdir, words[0] ?? '/')
    await mkdir(join(work.root, work.workdir), { recursive: true })
  } else if (name === 'COPY') await copy(words, flags, work)
  else if (name === 'RUN') await runIn(words, work)
}

async function copy(words: readonly string[], flags: Instruction['flags'], work: Work): Promise<void> {
  const { from, chown, chmod: mode, ...unknown } = flags
  const [strange] = Object.keys(unknown).filter((flag) => flag !== 'link')
  if (strange !== undefined) throw new Error(`COPY has --${strange}, which this does not know`)
  const target = words.at(-1) ?? ''
  const sources = words.slice(0, -1)
  const base = from === undefined ? work.context : work.rootOf(from)
  const into = join(work.root, resolve(work.workdir, target))
  for (const source of sources) {
    const path = join(base, source)
    const isFolder = (await stat(path)).isDirectory()
    const isKept = (each: string) => from !== undefined || keeps(relative(base, each), work.isLeftOut)
    if (!isKept(path) && !isFolder) throw new Error(`${source} is left out of the context by .dockerignore`)
    const place =
      isFolder || !(sources.length > 1 || target.endsWith('/') || target === '.')
        ? into
        : join(into, basename(path))
    await mkdir(join(place, '..'), { recursive: true })
    await cp(path, place, { ...copyOptions, filter: isKept })
    await own(place, chown, mode)
  }
}

/** A folder that is left out may hold what is not. */
function keeps(path: string, isLeftOut: (path: string) => boolean): boolean {
  return path === '' || !isLeftOut(path)
}

async function own(place: string, chown: string | undefined, mode: string | undefined): Promise<void> {
  const [uid, gid = uid] = (chown ?? '0:0').split(':').map((id) => (id === 'node' ? 1000 : Number(id)))
  if (mode !== undefined) await chmod(place, Number.parseInt(mode, 8))
  const below = lstatSync(place).isDirectory() ? await readdir(place, { recursive: true }) : []
  for (const path of [place, ...below.map((name) => join(place, name))])
    await lchown(path, uid ?? 0, gid ?? 0)
}

async function runIn(words: readonly string[], work: Work): Promise<void> {
  const at = await mkdtemp(join(work.folder, '.root-'))
  const layers = (await readdir(work.root)).map(
    (name): Mount => ({ kind: 'bind', source: join(work.root, name), target: `/${name}` }),
  )
  const mounts = [...nodeMounts(), ...layers, ...networkMounts()]
  const root = {
    at,
    mounts,
    readOnly: false,
    hostname: 'build',
    nameserver: undefined,
    users: { node: 1000 },
  }
  const rights = { uid: 0, gid: 0, noNewPrivileges: false, dropAll: false }
  const env = { HOME: '/root', ...networkEnv(), ...work.env }
  const script = scriptOf(root, { words, env, workdir: work.workdir, rights })
  const flags = ['--mount', '--pid', '--uts', '--fork', '--kill-child=SIGKILL']
  try {
    await exec(unshare, [...flags, 'sh', '-c', script], {
      env: systemEnv,
      timeout: buildMs,
      maxBuffer: 1 << 26,
    })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`RUN ${words.join(' ')} failed:\n${stdout.slice(-4_000)}\n${stderr.slice(-4_000)}`)
  }
}

/** How this machine reaches the registry, and npm's cache: what an engine would give to a build as well. */
function networkMounts(): Mount[] {
  const cache = join(homedir(), '.npm')
  const settings = join(homedir(), '.npmrc')
  return [
    ...['/etc/resolv.conf', '/etc/ssl'].map((path) => ({ source: path, target: path, readOnly: true })),
    { source: settings, target: '/root/.npmrc', readOnly: true },
    { source: cache, target: '/root/.npm', readOnly: false },
  ]
    .filter(({ source }) => existsSync(source))
    .map((mount) => ({ kind: 'bind', ...mount }))
}

function networkEnv(): Record<string, string> {
  const wanted = /^(https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|npm_config_registry)$/i
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      wanted.test(name) && value ? [[name, value]] : [],
    ),
  )
}
