// A folder for one test, with files in it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** The paths of new files, in the order given. */
export async function writeFiles(files: Readonly<Record<string, string | Uint8Array>>): Promise<string[]> {
  const folder = await newFolder()
  const paths = Object.keys(files).map((name) => join(folder, name))
  await Promise.all(Object.values(files).map((content, index) => writeFile(paths[index] ?? '', content)))
  return paths
}

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-cli-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
