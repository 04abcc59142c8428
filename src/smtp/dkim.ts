// DKIM (RFC 6376, relaxed/relaxed; RFC 8463 for Ed25519): the signature of a message, to stand above it.
// RSA is done on the thread pool with a key that was parsed once; the message itself is never touched.

import { createHash, sign } from 'node:crypto'
import type { Clock } from '../clock.js'
import { hashBody } from './dkim-body.js'
import { parseFields, relaxed, signedFields, signedNames } from './dkim-header.js'
import type { DkimConfig } from './dkim-options.js'

export interface Signer {
  /** The DKIM-Signature header of a message, ended by CRLF. Made once for each Buffer, which nobody may write to. */
  sign(bytes: Buffer): Promise<Buffer>
}

const LINE_LENGTH = 76

export function createSigner(dkim: DkimConfig, clock: Clock): Signer {
  const signatures = new WeakMap<Buffer, Promise<Buffer>>()
  const pause = () => clock.sleep(0)
  return {
    sign(bytes) {
      const known = signatures.get(bytes)
      if (known) return known
      const signature = signatureOf(bytes, dkim, pause)
      signatures.set(bytes, signature)
      signature.catch(() => signatures.delete(bytes))
      return signature
    },
  }
}

async function signatureOf(bytes: Buffer, dkim: DkimConfig, pause: () => Promise<void>): Promise<Buffer> {
  const { header, body } = split(bytes)
  const fields = parseFields(header)
  const names = signedNames(fields, dkim.skipFields)
  const unsigned = unsignedHeader(dkim, names, await hashBody(body, pause))
  const value = relaxed(unsigned.slice(unsigned.indexOf(':') + 1))
  const signed = Buffer.from(`${signedFields(fields, names)}dkim-signature:${value}`, 'latin1')
  const signature = await signBytes(signed, dkim)
  return Buffer.from(`${unsigned}${folded(signature.toString('base64'))}\r\n`)
}

function split(bytes: Buffer): { header: string; body: Buffer } {
  // Without a header the first line is the empty one.
  const end = bytes[0] === 0x0d ? -2 : bytes.indexOf('\r\n\r\n')
  if (end === -1) return { header: bytes.toString('latin1'), body: Buffer.alloc(0) }
  return { header: bytes.toString('latin1', 0, Math.max(end, 0)), body: bytes.subarray(end + 4) }
}

function unsignedHeader({ domainName, keySelector, key }: DkimConfig, names: string[], hash: string): string {
  const algorithm = key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'
  return [
    `DKIM-Signature: v=1; a=${algorithm}; c=relaxed/relaxed;`,
    ` d=${domainName};`,
    ` s=${keySelector};`,
    ` ${nameList(names)};`,
    ` bh=${hash};`,
    ' b=',
  ].join('\r\n')
}

function nameList(names: readonly string[]): string {
  let list = 'h='
  let column = 3
  for (const [index, name] of names.entries()) {
    const word = index < names.length - 1 ? `${name}:` : name
    if (column + word.length > LINE_LENGTH) {
      list += '\r\n  '
      column = 2
    }
    list += word
    column += word.length
  }
  return list
}

/** The first line has `b=` before it. */
function folded(base64: string): string {
  return base64.replace(/.{72}(?=.)/g, '$&\r\n  ')
}

function signBytes(bytes: Buffer, { key }: DkimConfig): Promise<Buffer> {
  const isEd25519 = key.asymmetricKeyType === 'ed25519'
  // RFC 8463, 3: what Ed25519 signs is the SHA-256 of the header.
  const data = isEd25519 ? createHash('sha256').update(bytes).digest() : bytes
  return new Promise((resolve, reject) => {
    sign(isEd25519 ? null : 'sha256', data, key, (error, signature) => {
      if (error) reject(error)
      else resolve(signature)
    })
  })
}
