// Secrets that come in files, as container platforms hand them in: FLUXMAIL_PASSWORD_FILE in place of
// FLUXMAIL_PASSWORD. What is in such a file is never quoted.

import { readFileSync } from 'node:fs'
import { environmentVariables, type Kind } from './environment-table.js'
import { messageOf } from './errors.js'

/** May hold a password. */
const alsoSecret: readonly string[] = ['FLUXMAIL_REDIS_URL']

/** Each secret variable with the one that names a file of it. Where that is a variable of its own, it says more. */
export const fileVariables: Readonly<Record<string, string>> = Object.fromEntries(
  (Object.entries(environmentVariables) as [string, { readonly kind: Kind }][])
    .filter(([name, { kind }]) => kind === 'secret' || alsoSecret.includes(name))
    .map(([name]) => [name, `${name}_FILE`] as const)
    .filter(([, twin]) => !Object.hasOwn(environmentVariables, twin)),
)

/** The variable that names a file in place of this one. */
export function fileOf(name: string): string | undefined {
  return Object.hasOwn(fileVariables, name) ? fileVariables[name] : undefined
}

/** What is in the file, without one line end at its end; `''` for an empty one, which counts as unset. */
export function readFileVariable(variable: string, path: string): { text: string; problem?: string } {
  try {
    return { text: readFileSync(path, 'utf8').replace(/\r?\n$/, '') }
  } catch (error) {
    return { text: '', problem: `${variable} names a file that cannot be read: ${messageOf(error)}` }
  }
}
