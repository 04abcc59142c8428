import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readFileLimited } from '../../src/content/read-file.js'
import { refused } from './refused.js'

const folder = mkdtempSync(join(tmpdir(), 'fluxmail-files-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('reading a file', () => {
  it('gives its bytes, also of one that is empty or larger than a chunk', () => {
    for (const size of [0, 1, 262_144, 700_001]) {
      const path = join(folder, `f${size}`)
      const bytes = Buffer.alloc(size, 7)
      writeFileSync(path, bytes)
      expect(readFileLimited(path, 'attachments[0]', size).equals(bytes)).toBe(true)
    }
  })

  it('is refused past the limit, naming the field', () => {
    const path = join(folder, 'large')
    writeFileSync(path, Buffer.alloc(1001))
    const error = refused(() => readFileLimited(path, 'attachments[1]', 1000))
    expect([error.code, error.details.field]).toEqual(['attachment_too_large', 'attachments[1]'])
    expect(refused(() => readFileLimited('/dev/zero', 'a', 1000)).code).toBe('read_error')
  })

  it('is refused for what is missing and for what is no file, without waiting', () => {
    expect(refused(() => readFileLimited(join(folder, 'none'), 'a', 1)).code).toBe('attachment_not_found')
    expect(refused(() => readFileLimited(join(folder, 'large', 'x'), 'a', 1)).code).toBe(
      'attachment_not_found',
    )
    expect(refused(() => readFileLimited(folder, 'a', 1)).code).toBe('read_error')
    expect(refused(() => readFileLimited('a\0b', 'a', 1)).code).toBe('read_error')
    const command = 'mkfifo'
    execFileSync(command, [join(folder, 'pipe')])
    expect(refused(() => readFileLimited(join(folder, 'pipe'), 'a', 1)).code).toBe('read_error')
  })
})
