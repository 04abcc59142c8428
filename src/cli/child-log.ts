// Where a child process writes what it says: a file without a name, so that nothing of it is left behind.
// Not a pipe: when its reader is killed, whoever writes to it has to cope with that, and pino's stream never ends.

import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ChildLog {
  readonly fd: number
  /** The end of what was written. */
  tail(): string
  close(): void
}

const TAIL_BYTES = 2_000

export function openChildLog(): ChildLog {
  const folder = mkdtempSync(join(tmpdir(), 'fluxmail-log-'))
  const fd = openSync(join(folder, 'log'), 'w+')
  rmSync(folder, { recursive: true })
  return { fd, tail: () => readTail(fd), close: () => closeSync(fd) }
}

function readTail(fd: number): string {
  const { size } = fstatSync(fd)
  const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES))
  readSync(fd, bytes, 0, bytes.length, size - bytes.length)
  return bytes.toString().trim()
}
