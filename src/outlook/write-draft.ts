// A draft as a file: whole or not there at all, and never in place of another file unless asked for.

import { randomUUID } from 'node:crypto'
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { FluxMailError, messageOf } from '../errors.js'
import { parseFlag } from '../message/body.js'
import { fieldError, quoted } from '../message/field-error.js'
import { readKnownFields } from '../message/known-fields.js'

/**
 * Writes the bytes to `path` and resolves to its absolute path.
 *
 * @throws FluxMailError `invalid_params`, `write_error`
 */
export async function writeDraft(bytes: Buffer, path: unknown, options: unknown = {}): Promise<string> {
  const file = resolve(parsePath(path))
  const given = readKnownFields(options, { path: 'options', known: ['overwrite'] })
  const overwrite = parseFlag(given.overwrite, 'options.overwrite')
  const unfinished = join(dirname(file), `.${randomUUID()}.eml`)
  try {
    await writeFile(unfinished, bytes, { flag: 'wx', flush: true })
    // Claims the name, so that no file that came meanwhile is replaced.
    if (!overwrite) await (await open(file, 'wx')).close()
    await rename(unfinished, file)
  } catch (cause) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw unwritable(file, cause, unfinished)
  }
  return file
}

/** Writes the bytes into a new folder that only this user can read, and resolves to the path. */
export async function writeTemporaryDraft(bytes: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-draft-')).catch((cause: unknown) => {
    throw unwritable(tmpdir(), cause)
  })
  return writeDraft(bytes, join(folder, 'email.eml'))
}

function parsePath(path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  const advice = "Give one such as 'email.eml'"
  throw fieldError('invalid_params', 'path', `${quoted(path)} is no path of a file`, advice)
}

/** `unfinished` is the name under which the file is written, which means nothing to anybody. */
function unwritable(path: string, cause: unknown, unfinished = path): FluxMailError {
  const { code } = cause as { code?: unknown }
  const reason =
    code === 'EEXIST'
      ? 'there is a file already; give another path, or { overwrite: true }'
      : code === 'ENOENT'
        ? `there is no folder ${dirname(path)}`
        : `it cannot be written: ${messageOf(cause).replaceAll(unfinished, path)}`
  return new FluxMailError('write_error', `path: ${path}: ${reason}`, {
    cause,
    details: { field: 'path', path },
  })
}
