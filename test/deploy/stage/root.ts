// The file system and the rights of one container, as lines of a shell script that runs in namespaces of its own.
// This machine's /usr stands in for the base image; all else that a process sees there is given to it by name.

import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findProgram } from '../../helpers/programs.js'

export interface Mount {
  /** `layer` is a folder whose changes go nowhere. */
  readonly kind: 'bind' | 'tmpfs' | 'layer'
  readonly source?: string
  readonly target: string
  readonly readOnly?: boolean
  /** Of a tmpfs, as Compose writes them. */
  readonly options?: string
}

export interface Root {
  /** An empty folder of this machine. */
  readonly at: string
  readonly mounts: readonly Mount[]
  readonly readOnly: boolean
  readonly hostname: string
  readonly nameserver: string | undefined
  readonly users: Readonly<Record<string, number>>
}

export interface Rights {
  readonly uid: number
  readonly gid: number
  readonly noNewPrivileges: boolean
  readonly dropAll: boolean
}

export interface Process {
  readonly words: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workdir: string
  readonly rights: Rights
}

/** The program that makes namespaces. */
export const unshare = findProgram('unshare') ?? 'unshare'

export const programFolder = '/opt/programs'
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const fetched = join(process.cwd(), '.fluxmail', 'bin')
const imagePath = `${programFolder}:${programFolder}/node_modules/npm/bin:${systemPath}:${fetched}`

/** The environment here, with the folders that have chroot and ip, which many a PATH leaves out. */
export const systemEnv = { ...process.env, PATH: `${process.env.PATH ?? ''}:${systemPath}` }

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/** The whole script: the root is made, entered and left to the process, which is number 1 in it. */
export function scriptOf(root: Root, process: Process): string {
  return ['set -eu', ...rootLines(root), `exec ${wordsIn(root.at, process).map(quoted).join(' ')}`].join('\n')
}

/** The words that run a process with its rights in the root at `at`; without `at`, in the root that is there. */
export function wordsIn(at: string | undefined, { words, env, workdir, rights }: Process): string[] {
  const variables = Object.entries({ PATH: imagePath, ...env }).map(([name, value]) => `${name}=${value}`)
  return [
    ...(at === undefined ? [] : ['chroot', at]),
    'setpriv',
    `--reuid=${rights.uid}`,
    `--regid=${rights.gid}`,
    '--clear-groups',
    ...(rights.noNewPrivileges ? ['--no-new-privs'] : []),
    ...(rights.dropAll ? ['--inh-caps=-all', '--bounding-set=-all'] : []),
    'env',
    '-i',
    '-C',
    workdir,
    ...variables,
    ...words,
  ]
}

function rootLines({ at, mounts, readOnly, hostname, nameserver, users }: Root): string[] {
  const inside = (path: string) => quoted(join(at, path))
  return [
    `hostname ${quoted(hostname)}`,
    `mount -t tmpfs -o mode=755 root ${quoted(at)}`,
    `mkdir -p ${['usr', 'proc', 'dev/shm', 'etc', 'tmp', 'root', 'run', 'var', 'opt', '.layers'].map(inside).join(' ')}`,
    `chmod 1777 ${inside('tmp')}`,
    `mount -o bind,ro /usr ${inside('usr')}`,
    ...['bin', 'sbin', 'lib', 'lib64'].flatMap((name) => systemFolder(name, inside(name))),
    `mount -t proc proc ${inside('proc')}`,
    ...['null', 'zero', 'full', 'random', 'urandom'].map((name) =>
      bindFile(`/dev/${name}`, `dev/${name}`, at),
    ),
    `ln -s /proc/self/fd ${inside('dev/fd')}`,
    ...etcFiles(hostname, nameserver, users).map(
      ([name, text]) => `printf %s ${quoted(text)} >${inside(`etc/${name}`)}`,
    ),
    ...mounts.flatMap((mount, index) => mountLines(mount, at, index)),
    ...(readOnly ? [`mount -o remount,ro ${quoted(at)}`] : []),
  ]
}

function systemFolder(name: string, target: string): string[] {
  const path = `/${name}`
  if (!existsSync(path)) return []
  if (lstatSync(path).isSymbolicLink()) return [`ln -s ${quoted(readlinkSync(path))} ${target}`]
  return [`mkdir ${target}`, `mount -o bind,ro ${path} ${target}`]
}

function bindFile(source: string, target: string, at: string): string {
  const path = quoted(join(at, target))
  return `mkdir -p ${quoted(dirname(join(at, target)))}; : >${path}; mount -o bind ${quoted(source)} ${path}`
}

function etcFiles(
  hostname: string,
  nameserver: string | undefined,
  users: Root['users'],
): readonly (readonly [string, string])[] {
  const all = Object.entries({ root: 0, nobody: 65_534, ...users })
  return [
    ['passwd', all.map(([name, id]) => `${name}:x:${id}:${id}::/:/bin/sh\n`).join('')],
    ['group', all.map(([name, id]) => `${name}:x:${id}:\n`).join('')],
    ['hosts', `127.0.0.1 localhost\n::1 localhost\n127.0.0.1 ${hostname}\n`],
    ['hostname', `${hostname}\n`],
    ['nsswitch.conf', 'hosts: files dns\n'],
    ...(nameserver === undefined
      ? []
      : ([['resolv.conf', `nameserver ${nameserver}\noptions ndots:0\n`]] as const)),
  ]
}

function mountLines(
  { kind, source = '', target, readOnly, options }: Mount,
  at: string,
  index: number,
): string[] {
  const path = join(at, target)
  const mode = readOnly ? 'ro' : 'rw'
  if (kind === 'tmpfs') {
    const asked = ['nosuid', 'nodev', 'noexec', ...(options ? [options] : []), mode]
    return [`mkdir -p ${quoted(path)}`, `mount -t tmpfs -o ${quoted(asked.join(','))} tmpfs ${quoted(path)}`]
  }
  if (kind === 'layer') {
    const [upper, work] = ['upper', 'work'].map((name) => join(at, '.layers', `${index}-${name}`))
    const layers = `lowerdir=${source},upperdir=${upper},workdir=${work}`
    return [
      `mkdir -p ${quoted(path)} ${upper} ${work}`,
      `mount -t overlay -o ${quoted(layers)} layer ${quoted(path)}`,
    ]
  }
  const made = lstatSync(source).isDirectory()
    ? `mkdir -p ${quoted(path)}`
    : `mkdir -p ${quoted(dirname(path))}; [ -e ${quoted(path)} ] || : >${quoted(path)}`
  return [made, `mount -o bind,${mode} ${quoted(source)} ${quoted(path)}`]
}

/** This Node and its npm, found first by a process in a root. */
export function nodeMounts(): Mount[] {
  const npm = findProgram('npm')
  const folder = npm === undefined ? undefined : join(dirname(realpathSync(npm)), '..')
  return [
    { kind: 'bind', source: process.execPath, target: join(programFolder, 'node'), readOnly: true },
    ...(folder === undefined
      ? []
      : [
          {
            kind: 'bind',
            source: folder,
            target: `${programFolder}/node_modules/npm`,
            readOnly: true,
          } as const,
        ]),
  ]
}
