// The files that a row names, read for it: below one folder, and never outside, since rows come from other people.

import { realpathSync } from 'node:fs'
import { basename, relative, resolve, sep } from 'node:path'
import { readFileLimited } from '../../content/read-file.js'
import { FluxMailError } from '../../errors.js'
import { unreadable } from '../failure.js'

export interface RowAttachment {
  readonly filename: string
  readonly content: Buffer
}

/** Bytes of files that are kept, since many rows name the same. */
const KEPT_BYTES = 32 * 1024 * 1024

export class RowFiles {
  readonly #folder: string
  readonly #maxBytes: number
  readonly #kept = new Map<string, Buffer>()
  #keptBytes = 0

  /**
   * `maxBytes` holds for the files of one row together.
   *
   * @throws UsageError when there is no such folder
   */
  constructor(folder: string, maxBytes: number) {
    try {
      this.#folder = realpathSync(folder)
    } catch (cause) {
      throw unreadable(folder, cause)
    }
    this.#maxBytes = maxBytes
  }

  /**
   * The files that a field names: paths parted by `;`, or an array of paths.
   *
   * @throws FluxMailError `attachment_not_found`, `attachment_too_large`, `read_error`, `invalid_params`
   */
  read(field: unknown): RowAttachment[] {
    let room = this.#maxBytes
    return pathsIn(field).map((path) => {
      const content = this.#readOne(path, room)
      room -= content.length
      return { filename: basename(path), content }
    })
  }

  #readOne(path: string, room: number): Buffer {
    const kept = this.#kept.get(path)
    if (kept && kept.length <= room) return kept
    const content = readFileLimited(this.#inside(path), 'attachments', room)
    this.#keep(path, content)
    return content
  }

  /** Where a path leads, links followed. */
  #inside(path: string): string {
    const found = realPath(resolve(this.#folder, path))
    const way = relative(this.#folder, found ?? resolve(this.#folder, path))
    if (way === '..' || way.startsWith(`..${sep}`) || resolve(way) === way) {
      throw new FluxMailError('invalid_params', `attachments: ${path} is outside of ${this.#folder}`)
    }
    if (found === undefined) {
      throw new FluxMailError('attachment_not_found', `attachments: there is no file ${path}`)
    }
    return found
  }

  #keep(path: string, content: Buffer): void {
    if (content.length > KEPT_BYTES) return
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes + content.length <= KEPT_BYTES) break
      this.#kept.delete(oldest)
      this.#keptBytes -= length
    }
    this.#kept.set(path, content)
    this.#keptBytes += content.length
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function pathsIn(field: unknown): string[] {
  if (field === undefined || field === null) return []
  const given = typeof field === 'string' ? field.split(';') : field
  if (!Array.isArray(given) || !given.every((path) => typeof path === 'string' && !path.includes('\0'))) {
    throw new FluxMailError('invalid_params', 'attachments: they must be paths, parted by ; or in an array')
  }
  return given.map((path: string) => path.trim()).filter((path) => path !== '')
}
