// A stand-in for PowerShell on the PATH: it records what it is given, and then does what it is told.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'

export interface Recorded {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly stdin: string
  readonly descriptionFile: string
  readonly description: Description
  readonly files: Readonly<Record<string, string>>
}

/** The JSON that PowerShell reads; all of its texts are base64 of UTF-8. */
export interface Description {
  readonly subject: string
  readonly importance: number
  readonly isHtml: boolean
  readonly bodyFile: string
  readonly recipients: readonly { readonly type: number; readonly address: string }[]
  readonly replyTo: readonly string[]
  readonly attachments: readonly string[]
  readonly properties: readonly { readonly name: string; readonly value: string }[]
}

const recording = (file: string, afterwards: string) => `#!${process.execPath}
const { readFileSync, writeFileSync } = require('node:fs')
const descriptionFile = process.env.FLUXMAIL_OUTLOOK_MESSAGE
const description = JSON.parse(readFileSync(descriptionFile, 'utf8'))
const paths = [description.bodyFile, ...description.attachments].map((path) => Buffer.from(path, 'base64').toString())
const files = Object.fromEntries(paths.map((path) => [path, readFileSync(path).toString('base64')]))
const stdin = readFileSync(0, 'utf8')
const { env } = process
const recorded = { args: process.argv.slice(2), cwd: process.cwd(), env, stdin, descriptionFile, description, files }
writeFileSync(${JSON.stringify(file)}, JSON.stringify(recorded))
${afterwards}
`

export interface StandIn {
  readonly folder: string
  readonly path: string
  /** What it was given. */
  recorded(): Promise<Recorded>
}

/** Puts an executable `powershell.exe` on the PATH, alone there, which runs `afterwards` once it has recorded. */
export async function openStandIn(afterwards = '', name = 'powershell.exe'): Promise<StandIn> {
  const folder = await newFolder()
  const path = join(folder, name)
  const file = join(folder, 'recorded.json')
  await writeFile(path, recording(file, afterwards), { mode: 0o755 })
  vi.stubEnv('PATH', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
  return { folder, path, recorded: async () => JSON.parse(await readFile(file, 'utf8')) as Recorded }
}

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-outlook-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Has temporary folders made in a new one, and gives that. */
export async function useOwnTemporaryFolder(): Promise<string> {
  const folder = await newFolder()
  vi.stubEnv('TMPDIR', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
  return folder
}

export function decoded(text: string | undefined): string {
  return Buffer.from(text ?? '', 'base64').toString()
}
