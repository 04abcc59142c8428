// The files that a row of a batch brings: stored as the row is read, so that no chunk of rows holds their bytes.
// A row brings bytes, never a path or a URL that somebody would open.

import type { ContentBundle, FileRef } from '../content/content.js'
import { fileRef } from '../content/email-content.js'
import { FluxMailError, guarded } from '../errors.js'
import { createFileSource, parseAttachments } from '../message/attachment.js'
import type { FilePart } from '../message/email-parts.js'
import { fieldError } from '../message/field-error.js'
import type { ContentStore } from '../store/contents.js'
import { chunkRows } from '../store/packed-rows.js'
import type { Room } from '../store/room.js'

export interface RowFilesContext {
  readonly contents: Pick<ContentStore, 'putRowFile'>
  readonly room: Room
  /** Of one email, together with what its content brings. */
  readonly maxAttachmentBytes: number
}

/** A row without the bytes of its files, or one with files that cannot be sent. */
export class RowWithFiles {
  readonly row: unknown
  readonly files: readonly FileRef[] | FluxMailError

  constructor(row: unknown, files: readonly FileRef[] | FluxMailError) {
    this.row = row
    this.files = files
  }
}

/** Whether a row brings files; one that cannot be looked at is refused where it is parsed. */
export function bringsFiles(row: unknown): boolean {
  try {
    return typeof row === 'object' && row !== null && 'attachments' in row && row.attachments !== undefined
  } catch {
    return false
  }
}

/** Bytes of files that every email of the batch brings. */
export function sharedBytes({ content }: ContentBundle): number {
  if (content.kind === 'raw') return 0
  return [...content.attachments, ...content.inlineImages].reduce((sum, { size }) => sum + size, 0)
}

/** Stores the files of one row of a batch. Rejects where Redis does not take them. */
export async function storeRowFiles(
  { contents, room, maxAttachmentBytes }: RowFilesContext,
  { id, shared }: { readonly id: string; readonly shared: number },
  row: unknown,
  ordinal: number,
): Promise<RowWithFiles> {
  const files = parseFiles(row, maxAttachmentBytes, shared)
  if (files instanceof FluxMailError) return new RowWithFiles(row, files)
  for (const file of files) {
    await room.check()
    await contents.putRowFile(id, Math.floor(ordinal / chunkRows), file)
  }
  return new RowWithFiles({ ...(row as object), attachments: undefined }, files.map(fileRef))
}

function parseFiles(row: unknown, maxBytes: number, shared: number): readonly FilePart[] | FluxMailError {
  try {
    return guarded('invalid_params', 'the attachments of the row', () => {
      const source = createFileSource(refusePath, maxBytes)
      source.usedBytes = shared
      return parseAttachments((row as { attachments: unknown }).attachments, source)
    })
  } catch (thrown) {
    if (thrown instanceof FluxMailError) return thrown
    throw thrown
  }
}

function refusePath(_path: string, field: string): never {
  throw fieldError('invalid_params', field, 'it is a path', 'Read the file and give { filename, content }')
}
