// Which media type a file has: by what the caller says, by its name, or (for an inline image) by its first bytes.
// It never guesses from text inside a file.

import { fieldError, quoted } from './field-error.js'
import { parseHeaderText } from './header-text.js'

const unknownType = 'application/octet-stream'
const maxLength = 200
const mediaType =
  /^([A-Za-z0-9][\w!#$&^.+-]*\/[A-Za-z0-9][\w!#$&^.+-]*)((?: *; *[A-Za-z0-9-]+=(?:[\w!#$&^.+'-]+|"[^"\\]*"))*)$/

const byExtension: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'application/epub+zip': 'epub',
    'application/gzip': 'gz tgz',
    'application/json': 'json',
    'application/msword': 'doc dot',
    'application/pdf': 'pdf',
    'application/pgp-keys': 'asc',
    'application/pgp-signature': 'sig',
    'application/postscript': 'ps eps ai',
    'application/rtf': 'rtf',
    'application/vnd.apple.keynote': 'key',
    'application/vnd.apple.numbers': 'numbers',
    'application/vnd.apple.pages': 'pages',
    'application/vnd.apple.pkpass': 'pkpass',
    'application/vnd.ms-excel': 'xls',
    'application/vnd.ms-powerpoint': 'ppt',
    'application/vnd.oasis.opendocument.presentation': 'odp',
    'application/vnd.oasis.opendocument.spreadsheet': 'ods',
    'application/vnd.oasis.opendocument.text': 'odt',
    'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
    'application/x-7z-compressed': '7z',
    'application/x-tar': 'tar',
    'application/xml': 'xml',
    'application/yaml': 'yaml yml',
    'application/zip': 'zip',
    'audio/mp4': 'm4a',
    'audio/mpeg': 'mp3',
    'audio/ogg': 'ogg oga',
    'audio/wav': 'wav',
    'font/otf': 'otf',
    'font/ttf': 'ttf',
    'font/woff': 'woff',
    'font/woff2': 'woff2',
    'image/avif': 'avif',
    'image/bmp': 'bmp',
    'image/gif': 'gif',
    'image/heic': 'heic',
    'image/jpeg': 'jpg jpeg jpe',
    'image/png': 'png',
    'image/svg+xml': 'svg',
    'image/tiff': 'tif tiff',
    'image/vnd.microsoft.icon': 'ico',
    'image/webp': 'webp',
    'text/calendar': 'ics',
    'text/css': 'css',
    'text/csv': 'csv',
    'text/html': 'html htm',
    'text/javascript': 'js mjs',
    'text/markdown': 'md markdown',
    'text/plain': 'txt text log',
    'text/tab-separated-values': 'tsv',
    'text/vcard': 'vcf',
    'video/mp4': 'mp4 m4v',
    'video/quicktime': 'mov',
    'video/webm': 'webm',
  }).flatMap(([type, extensions]) => extensions.split(' ').map((extension) => [extension, type] as const)),
)

/** The media type that a file's name promises, else `application/octet-stream`. */
export function contentTypeOfName(filename: string): string {
  const dot = filename.lastIndexOf('.')
  const extension = dot < 0 ? '' : filename.slice(dot + 1).toLowerCase()
  return byExtension.get(extension) ?? unknownType
}

/** A media type as given, its type in lower case, with its parameters. Throws `invalid_params` or `invalid_header`. */
export function parseContentType(input: unknown, field: string): string {
  const text = parseHeaderText(input, field)
  const [, type = '', parameters = ''] = mediaType.exec(text) ?? []
  if (type === '' || text.length > maxLength) {
    throw fieldError(
      'invalid_params',
      field,
      `${quoted(text)} is no media type`,
      "Give one such as 'text/csv; charset=utf-8'",
    )
  }
  if (/^(?:multipart|message)\//i.test(type) || /; *name=/i.test(parameters)) {
    const advice = `Use '${unknownType}' for a whole message, and the field filename for a name`
    throw fieldError('invalid_params', field, `${quoted(text)} cannot be the type of a file`, advice)
  }
  return type.toLowerCase() + parameters
}

/** The type of an image by its first bytes, with the extension that fits it. */
export function imageTypeOf(
  bytes: Buffer,
): { readonly type: string; readonly extension: string } | undefined {
  const start = bytes.toString('latin1', 0, 12)
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return { type: 'image/png', extension: 'png' }
  if (start.startsWith('\xff\xd8\xff')) return { type: 'image/jpeg', extension: 'jpg' }
  if (/^GIF8[79]a/.test(start)) return { type: 'image/gif', extension: 'gif' }
  if (/^RIFF.{4}WEBP/s.test(start)) return { type: 'image/webp', extension: 'webp' }
  return undefined
}
