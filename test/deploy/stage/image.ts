// What a container is made from: the image that our Dockerfile builds, and what stands in for those of others.
// Of theirs only the program is another; its words, settings and files are those of the compose file.

import { dirname, join } from 'node:path'
import { findProgram } from '../../helpers/programs.js'
import type { ImageConfig } from './dockerfile.js'
import { type Mount, programFolder } from './root.js'

export interface Image {
  readonly config: ImageConfig
  readonly mounts: readonly Mount[]
  readonly users: Readonly<Record<string, number>>
  /** Who owns a new volume that is mounted at a folder which the image has: `{ '/data': [999, 1000] }`. */
  readonly folders: Readonly<Record<string, readonly [uid: number, gid: number]>>
}

const plain: ImageConfig = {
  env: {},
  user: 'root',
  workdir: '/',
  entrypoint: [],
  cmd: [],
  stopSignal: 'SIGTERM',
  healthcheck: undefined,
  exposed: [],
}

function standIn(program: string): string {
  const path = findProgram(program)
  if (path === undefined) throw new Error(`${program} is not on this machine: apt-get install ${program}`)
  return path
}

/** A program outside /usr is shown where it lies, with the folder beside its own that has its libraries. */
function programMounts(path: string): Mount[] {
  const folder = join(dirname(path), '..')
  return path.startsWith('/usr/') ? [] : [{ kind: 'bind', source: folder, target: folder, readOnly: true }]
}

/** Debian's programs in place of the images of others, by the image's name without its tag. */
const others: Readonly<Record<string, () => Image>> = {
  redis: () => {
    const path = standIn('redis-server')
    const source = join(import.meta.dirname, 'fixtures', 'redis-server')
    return {
      config: { ...plain, env: { STAGE_REDIS_SERVER: path }, workdir: '/data', cmd: ['redis-server'] },
      mounts: [
        ...programMounts(path),
        { kind: 'bind', source, target: `${programFolder}/redis-server`, readOnly: true },
      ],
      users: { redis: 999 },
      folders: { '/data': [999, 1000] },
    }
  },
  'prom/prometheus': () => {
    const path = standIn('prometheus')
    const files = ['--config.file=/etc/prometheus/prometheus.yml', '--storage.tsdb.path=/prometheus']
    return {
      config: { ...plain, user: 'nobody', workdir: '/prometheus', entrypoint: [path], cmd: files },
      mounts: programMounts(path),
      users: {},
      folders: { '/prometheus': [65_534, 65_534] },
    }
  },
}

/** Images for which nothing stands in, since no such program is to be had here. */
export const unstaged: readonly string[] = ['grafana/grafana', 'grafana/grafana-oss']

export function nameOf(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/]*$/, '')
}

/** @throws Error for an image that nothing stands in for */
export function otherImage(image: string): Image {
  const found = others[nameOf(image)]
  if (found === undefined) throw new Error(`nothing stands in for the image ${image}: add it here`)
  return found()
}
