import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { FluxMailError } from '../../src/errors.js'
import {
  createFileSource,
  parseAttachments,
  parseInlineImages,
  type ReadFile,
} from '../../src/message/attachment.js'
import { refusalOf } from './refusal.js'

const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
const files: Readonly<Record<string, Buffer>> = {
  '/docs/report.PDF': Buffer.from('%PDF-1.7'),
  'C:\\docs\\plan.docx': Buffer.from('PK'),
  '/img/logo.png': png,
  '/img/logo': png,
  '/img/unknown': Buffer.from('what is it'),
  '/docs/evil\nname.txt': Buffer.from('x'),
}

function source(maxBytes = 1000) {
  return createFileSource((path, field) => {
    const bytes = files[path]
    if (bytes) return bytes
    throw new FluxMailError('attachment_not_found', `${field}: no such file`, { details: { field } })
  }, maxBytes)
}

const refuseFolder: ReadFile = (path, field) => {
  throw new FluxMailError('read_error', `${field}: ${path} cannot be read: it is a folder`)
}

const attach = (input: unknown, maxBytes?: number) => parseAttachments(input, source(maxBytes))
const inline = (input: unknown, maxBytes?: number) => parseInlineImages(input, source(maxBytes))

describe('an attachment', () => {
  test('from a path has the name of the file without its folder, and a type by that name', () => {
    const [report, plan] = attach(['/docs/report.PDF', { path: 'C:\\docs\\plan.docx' }])
    expect(report).toEqual({
      filename: 'report.PDF',
      contentType: 'application/pdf',
      content: Buffer.from('%PDF-1.7'),
      hash: createHash('sha256').update('%PDF-1.7').digest('hex'),
    })
    expect(plan?.filename).toBe('plan.docx')
    expect(plan?.contentType).toMatch(/wordprocessingml/)
  })

  test('may be given another name and another type than its path has', () => {
    const given = { path: '/docs/report.PDF', filename: 'Bericht – März.bin', contentType: 'Application/PDF' }
    expect(attach([given])[0]).toMatchObject({
      filename: 'Bericht – März.bin',
      contentType: 'application/pdf',
    })
  })

  test.each([
    ['text', 'a,b\n', 'a,b\n', 'text/csv; charset=utf-8'],
    ['a Buffer', Buffer.from('a,b\n'), 'a,b\n', 'text/csv'],
    ['a Uint8Array', new Uint8Array([97]), 'a', 'text/csv'],
    ['an ArrayBuffer', new Uint8Array([97]).buffer, 'a', 'text/csv'],
    ['nothing', '', '', 'text/csv; charset=utf-8'],
  ])('may be %s', (_, content, text, contentType) => {
    const [file] = attach([{ filename: 'list.csv', content }])
    expect(file?.content.toString()).toBe(text)
    expect(file?.contentType).toBe(contentType)
  })

  test('keeps a copy of the bytes it was given', () => {
    const bytes = Buffer.from('before')
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    const parts = attach([
      { filename: 'a', content: bytes },
      { filename: 'b', content: view },
    ])
    bytes.fill('x')
    expect(parts.map(({ content }) => content.toString())).toEqual(['before', 'before'])
  })

  test('is frozen, and so is their list', () => {
    const parts = attach(['/docs/report.PDF'])
    expect(Object.isFrozen(parts) && parts.every(Object.isFrozen)).toBe(true)
  })

  test('of an unknown kind is application/octet-stream', () => {
    expect(attach([{ filename: 'data.zzz', content: 'x' }])[0]?.contentType).toBe('application/octet-stream')
    expect(attach([{ filename: 'README', content: 'x' }])[0]?.contentType).toBe('application/octet-stream')
    expect(attach([{ filename: 'x.constructor', content: 'x' }])[0]?.contentType).toBe(
      'application/octet-stream',
    )
  })

  test.each([
    ['../../etc/passwd', 'invalid_params'],
    ['a/b.txt', 'invalid_params'],
    ['a\\b.txt', 'invalid_params'],
    ['..', 'invalid_params'],
    ['', 'invalid_params'],
    [' ', 'invalid_params'],
    ['é'.repeat(128), 'invalid_params'],
    [7, 'invalid_params'],
    ['a\r\nContent-Type: text/html', 'invalid_header'],
    ['a\0.txt', 'invalid_header'],
    ['a\ud800.txt', 'invalid_header'],
  ])('never has the name %j', (filename, code) => {
    const refusal = refusalOf(() => attach([{ filename, content: 'x' }]))
    expect(refusal).toMatchObject({ code, details: { field: 'attachments[0].filename' } })
  })

  test('whose path has a control character in its name asks for another name', () => {
    expect(refusalOf(() => attach(['/docs/evil\nname.txt'])).code).toBe('invalid_header')
    expect(attach([{ path: '/docs/evil\nname.txt', filename: 'name.txt' }])[0]?.filename).toBe('name.txt')
  })

  test.each([
    'pdf',
    'text/',
    '/plain',
    'text/plain; charset',
    'text/plain, text/html',
    'multipart/mixed; boundary=x',
    'message/rfc822',
    'text/plain; name=evil.exe',
    `text/${'x'.repeat(300)}`,
  ])('never has the type %s', (contentType) => {
    const refusal = refusalOf(() => attach([{ filename: 'a', content: 'x', contentType }]))
    expect(refusal).toMatchObject({
      code: 'invalid_params',
      details: { field: 'attachments[0].contentType' },
    })
  })

  test('never has a line break in its type', () => {
    const contentType = 'text/plain\r\nBcc: eve@evil.io'
    expect(refusalOf(() => attach([{ filename: 'a', content: 'x', contentType }])).code).toBe(
      'invalid_header',
    )
  })

  test('may have parameters in its type', () => {
    const contentType = 'text/calendar; method=REQUEST; charset="utf-8"'
    expect(attach([{ filename: 'a.ics', content: 'x', contentType }])[0]?.contentType).toBe(contentType)
  })

  test.each([
    ['neither', { filename: 'a' }, /neither content nor path/],
    ['both', { filename: 'a', content: 'x', path: '/x' }, /both content and path/],
    ['no name', { content: 'x' }, /Give filename beside content/],
    ['a number', { filename: 'a', content: 7 }, /it is a number/],
    ['an unknown field', { fileName: 'a', content: 'x' }, /Did you mean filename\?/],
    ['an empty path', '', /no path/],
    ['a path with a NUL', '/docs/a\0b', /no path/],
    ['nothing', null, /it is nothing/],
    ['a list', ['/docs/report.PDF'], /it is an array/],
  ])('with %s is refused', (_, item, words) => {
    const refusal = refusalOf(() => attach([{ filename: 'ok', content: 'x' }, item]))
    expect(refusal.code).toBe('invalid_params')
    expect(refusal.details.field).toMatch(/^attachments\[1\]/)
    expect(refusal.message).toMatch(words)
  })

  test.each(['/', '..', '/docs/'])('that is a folder, %s, is refused for that before its name is', (path) => {
    expect(refusalOf(() => parseAttachments([path], createFileSource(refuseFolder, 1000)))).toMatchObject({
      code: 'read_error',
      message: expect.stringContaining('it is a folder'),
    })
  })

  test('that is missing says which one it is', () => {
    const refusal = refusalOf(() => attach(['/docs/report.PDF', '/docs/none.pdf']))
    expect(refusal).toMatchObject({ code: 'attachment_not_found', details: { field: 'attachments[1]' } })
  })

  test('that fails to be read in any other way is a read_error with its cause', () => {
    const cause = new Error('EIO')
    const broken = createFileSource(() => {
      throw cause
    }, 10)
    const refusal = refusalOf(() => parseAttachments(['/x'], broken))
    expect(refusal).toMatchObject({ code: 'read_error', cause, details: { field: 'attachments[0]' } })
  })

  test('given as a single path asks for an array', () => {
    expect(refusalOf(() => attach('/docs/report.PDF'))).toMatchObject({ code: 'invalid_params' })
  })
})

describe('the limit', () => {
  test('holds for all files of an email together', () => {
    const shared = source(20)
    parseAttachments([{ filename: 'a', content: 'x'.repeat(4) }], shared)
    parseInlineImages({ logo: '/img/logo.png' }, shared)
    const refusal = refusalOf(() => parseAttachments([{ filename: 'b', content: 'x' }], shared))
    expect(refusal).toMatchObject({ code: 'attachment_too_large', details: { field: 'attachments[0]' } })
    expect(refusal.message).toContain('it is 1 bytes, and 0 of 20 are left')
  })

  test('is told to the reader of files, and held against what it gives', () => {
    const rooms: number[] = []
    const generous = createFileSource((_path, _field, maxBytes) => {
      rooms.push(maxBytes)
      return Buffer.alloc(6)
    }, 10)
    expect(refusalOf(() => parseAttachments(['/a', '/b'], generous)).code).toBe('attachment_too_large')
    expect(rooms).toEqual([10, 4])
  })
})

describe('an inline image', () => {
  test('has its type by the name of its file', () => {
    expect(inline({ logo: '/img/logo.png' })).toEqual([
      expect.objectContaining({ cid: 'logo', filename: 'logo.png', contentType: 'image/png', content: png }),
    ])
  })

  test.each([
    ['png', png],
    ['jpg', Buffer.from('ffd8ffe0', 'hex')],
    ['gif', Buffer.from('GIF89a')],
    ['webp', Buffer.from('RIFF\x0a\0\0\0WEBPVP8 ', 'latin1')],
  ])('of bytes has its type and its name by its first bytes: %s', (extension, bytes) => {
    const type = extension === 'jpg' ? 'jpeg' : extension
    expect(inline({ 'a.b@c': bytes })[0]).toMatchObject({
      filename: `a.b@c.${extension}`,
      contentType: `image/${type}`,
    })
  })

  test('whose file has no telling name is known by its bytes, or by the type that is given', () => {
    expect(inline({ logo: '/img/logo' })[0]).toMatchObject({ filename: 'logo', contentType: 'image/png' })
    const given = { content: Buffer.from('<svg/>'), contentType: 'image/svg+xml' }
    expect(inline({ logo: given })[0]).toMatchObject({ filename: 'logo', contentType: 'image/svg+xml' })
    const refusal = refusalOf(() => inline({ logo: '/img/unknown' }))
    expect(refusal).toMatchObject({ code: 'invalid_params', details: { field: 'inlineImages.logo' } })
  })

  test.each(['', ' ', 'a b', '<logo>', 'a\r\nBcc: eve@evil.io', 'é', '__proto__', 'x'.repeat(201)])(
    'never has the Content-ID %j',
    (cid) => {
      expect(refusalOf(() => inline(Object.fromEntries([[cid, png]]))).code).toBe('invalid_params')
    },
  )

  test('given as an array asks for an object', () => {
    expect(refusalOf(() => inline(['/img/logo.png'])).message).toContain("{ logo: 'logo.png' }")
  })
})
