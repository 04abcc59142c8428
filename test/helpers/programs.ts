// Programs of other projects that tests run: found on the PATH, in the usual folders, or where set-up put them.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'vitest'

const folders = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin']

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export function findProgram(...names: string[]): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const places = [...path, ...folders, join(process.cwd(), '.fluxmail', 'bin')]
  return places.flatMap((folder) => names.map((name) => join(folder, name))).find(isProgram)
}

/** The path of a program; without it the test is skipped and says so, and fails where CI demands it. */
export function requireProgram(context: TestContext, ...names: string[]): string {
  const path = findProgram(...names)
  if (path !== undefined) return path
  const message = `${names.join(' or ')} is not on this machine; \`node scripts/setup.mjs\` fetches it where it can`
  if (process.env.CI === 'true') throw new Error(message)
  return context.skip(message)
}
