// Messages as a client would hand them in, every line ended by CRLF, and the parts that are altered on the way elsewhere.

import { createHash } from 'node:crypto'
import { expect } from 'vitest'

const head = {
  From: 'Ann <ann@example.com>',
  To: 'Bob <bob@example.org>',
  Subject: 'Hello',
  Date: 'Mon, 02 Nov 2026 08:00:00 +0000',
}

/** Of each test another one: the same message again would be known, and not sent twice. */
function messageId(): string {
  const { currentTestName = '' } = expect.getState()
  return `<given-${createHash('sha256').update(currentTestName).digest('hex').slice(0, 12)}@example.com>`
}

type Headers = Record<string, string | undefined>

/** `undefined` takes a header out. */
export function letter(body: string | Buffer = 'Hi Bob.\r\n', headers: Headers = {}): Buffer {
  const lines = Object.entries<string | undefined>({ ...head, 'Message-ID': messageId(), ...headers })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`${lines.join('')}\r\n`), Buffer.from(body)])
}

export const dots = '.\r\n..\r\n.hidden\r\n. \r\nin . the . middle.\r\n\r\n...three\r\nno more\r\n'

export const utf8Text = 'Grüße aus Köln: ✉ 漢字 🎉\r\n'
export const utf8Subject = 'Grüße ✉ 漢字 🎉'
export const encodedSubject = `=?utf-8?B?${Buffer.from(utf8Subject).toString('base64')}?=`

/** Not valid in UTF-8: whoever decodes and encodes it on the way is found out. */
export const latin1Text = Buffer.from('caf\xe9 \xff\xfe \x80\x81 r\xe9sum\xe9\r\n', 'latin1')

/** A megabyte with every byte in it, the same in each run. */
export const megabyte = Buffer.concat(
  Array.from({ length: 32_768 }, (_, index) => createHash('sha256').update(String(index)).digest()),
)

const boundary = 'a-boundary-of-our-own'

export function withAttachment(content: Buffer): Buffer {
  const lines = (content.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n')
  const body = [
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'See the file.',
    `--${boundary}`,
    'Content-Type: application/octet-stream; name="all.bin"',
    'Content-Disposition: attachment; filename="all.bin"',
    'Content-Transfer-Encoding: base64',
    '',
    lines,
    `--${boundary}--`,
    '',
  ]
  const type = `multipart/mixed; boundary="${boundary}"`
  return letter(body.join('\r\n'), { 'MIME-Version': '1.0', 'Content-Type': type })
}

export function textHeaders(charset: string): Record<string, string> {
  return {
    'MIME-Version': '1.0',
    'Content-Type': `text/plain; charset=${charset}`,
    'Content-Transfer-Encoding': '8bit',
  }
}
