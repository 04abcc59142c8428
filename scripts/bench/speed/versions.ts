// Which versions were measured, and on what.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../../src/cli/package-root.js'

const peers = ['bullmq', 'nodemailer', 'nunjucks', 'juice'] as const

function versionOf(path: string): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), path, 'package.json'), 'utf8'))
  return String(version)
}

/** Of Node, of what is measured, and of Redis and smtp-sink where they tell it. */
export function versions(): Readonly<Record<string, string>> {
  const libraries = peers.map((name) => [name, versionOf(join('node_modules', name))])
  return {
    Node: process.versions.node,
    FluxMail: versionOf('.'),
    ...Object.fromEntries(libraries),
    ...redisVersion(),
  }
}

function redisVersion(): Readonly<Record<string, string>> {
  for (const program of ['redis-server', 'valkey-server']) {
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
    const version = /v=(\S+)/.exec(stdout ?? '')?.[1]
    if (version !== undefined) return { [program]: version }
  }
  return {}
}

/** Such as `2 x AMD EPYC, Linux 6.8`. */
export function machine(): string {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} x ${cpu?.model.trim()}, ${memory} GB, ${type()} ${release()}`
}
