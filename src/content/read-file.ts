// Reads a file that an email names, once, in chunks, and never more of it than the limit.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { FluxMailError, messageOf } from '../errors.js'
import type { ReadFile } from '../message/email.js'

const chunkBytes = 256 * 1024

/** Throws `attachment_not_found`, `read_error` or `attachment_too_large`, with `details.field`. */
export const readFileLimited: ReadFile = (path, field, maxBytes) => {
  const descriptor = open(path, field)
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile())
      throw unreadable(path, field, found.isDirectory() ? 'it is a folder' : 'it is not a file')
    return readChunks(descriptor, path, field, maxBytes)
  } catch (error) {
    throw error instanceof FluxMailError ? error : unreadable(path, field, messageOf(error), error)
  } finally {
    closeSync(descriptor)
  }
}

function open(path: string, field: string): number {
  try {
    // Without O_NONBLOCK a named pipe would block for ever.
    return openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (isMissing(error)) {
      throw new FluxMailError('attachment_not_found', `${field}: there is no file ${path}`, {
        cause: error,
        details: { field, path },
      })
    }
    throw unreadable(path, field, messageOf(error), error)
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function unreadable(path: string, field: string, reason: string, cause?: unknown): FluxMailError {
  return new FluxMailError('read_error', `${field}: ${path} cannot be read: ${reason}`, {
    cause,
    details: { field, path },
  })
}

function readChunks(descriptor: number, path: string, field: string, maxBytes: number): Buffer {
  const chunks: Buffer[] = []
  let total = 0
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, maxBytes - total + 1))
    const count = readSync(descriptor, chunk)
    if (count === 0) return Buffer.concat(chunks, total)
    total += count
    if (total > maxBytes) throw tooLarge(path, field, maxBytes)
    chunks.push(chunk.subarray(0, count))
  }
}

function tooLarge(path: string, field: string, maxBytes: number): FluxMailError {
  const message = `${field}: ${path} is larger than the ${maxBytes} bytes that this email has left for files`
  return new FluxMailError('attachment_too_large', message, { details: { field, path, maxBytes } })
}
