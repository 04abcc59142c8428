// The clients that these tests run, where they are installed: found once for each test file.
// One that is missing skips its file and says what to install; SMTP_CLIENTS=required makes that a failure.

import { spawnSync } from 'node:child_process'
import { test } from 'vitest'
import { findProgram } from '../helpers/programs.js'

interface Wanted {
  readonly name: string
  /** Debian's packages. */
  readonly packages: string
  find(): string | undefined
}

function answers(path: string, args: readonly string[], text = ''): boolean {
  const { status, stdout } = spawnSync(path, args, { encoding: 'utf8', timeout: 20_000 })
  return status === 0 && stdout.includes(text)
}

/** Debian's own comes first: another python3 on the PATH does not see Debian's modules. */
function findPython(module: string): string | undefined {
  const candidates = ['/usr/bin/python3', findProgram('python3')]
  return candidates.find((path) => path !== undefined && answers(path, ['-c', `import ${module}`]))
}

function findSwaks(): string | undefined {
  const path = findProgram('swaks')
  return path !== undefined && answers(path, ['--support'], 'TLS supported') ? path : undefined
}

const wanted = {
  swaks: { name: 'swaks with TLS', packages: 'swaks libnet-ssleay-perl', find: findSwaks },
  msmtp: { name: 'msmtp', packages: 'msmtp', find: () => findProgram('msmtp') },
  smtplib: { name: "Python's smtplib", packages: 'python3', find: () => findPython('smtplib') },
  dkimpy: { name: 'dkimpy', packages: 'python3-dkim', find: () => findPython('dkim') },
  django: { name: 'Django', packages: 'python3-django', find: () => findPython('django.core.mail') },
} satisfies Record<string, Wanted>

/**
 * Calls `define` with the path of the program, or of the Python that has the module, to define its tests.
 * Where it is missing, one skipped test says so in their place.
 */
export function withProgram(key: keyof typeof wanted, define: (path: string) => void): void {
  const { name, packages, find } = wanted[key]
  const path = find()
  if (path !== undefined) {
    define(path)
    return
  }
  const message = `${name} is not on this machine: apt-get install ${packages}`
  if (process.env.SMTP_CLIENTS === 'required') throw new Error(message)
  console.warn(`skipped: ${message}`)
  test.skip(message, () => undefined)
}
