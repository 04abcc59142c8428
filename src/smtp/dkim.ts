// DKIM (RFC 6376, relaxed/relaxed; RFC 8463 for Ed25519): the signature of a message, to stand above it.
// RSA is done on the thread pool with a key that was parsed once; the message itself is never touched.

import { createHash, sign } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { FixedLines } from '../delivery/delivery.js'
import { piecesOf } from './data.js'
import { type HashedBody, hashBody } from './dkim-body.js'
import { parseFields, relaxed, signedFields, signedNames } from './dkim-header.js'
import type { DkimConfig } from './dkim-options.js'

export interface Signer {
  /** The DKIM-Signature header of a message, ended by CRLF. Made once for each object, which nobody may write to. */
  sign(message: Buffer | readonly Buffer[], fixed?: readonly FixedLines[]): Promise<Buffer>
}

const LINE_LENGTH = 76
const FOLD_LENGTH = 72

export function createSigner(dkim: DkimConfig, clock: Clock): Signer {
  const signatureOf = createSigning(dkim, clock)
  const signatures = new WeakMap<object, Promise<Buffer>>()
  return {
    sign(message, fixed = []) {
      const known = signatures.get(message)
      if (known) return known
      const signature = signatureOf({ pieces: piecesOf(message), fixed }).then((text) =>
        Buffer.from(text, 'latin1'),
      )
      signatures.set(message, signature)
      signature.catch(() => signatures.delete(message))
      return signature
    },
  }
}

/** The same as Latin-1, made each time it is asked for. */
export type Signing = (message: HashedBody) => Promise<string>

/** `inPlace` makes whoever calls it wait for RSA, which is for a thread of its own. */
export function createSigning(dkim: DkimConfig, clock: Clock, inPlace = false): Signing {
  const means: Means = {
    dkim,
    above: headerAbove(dkim),
    pause: () => clock.sleep(0),
    signBytes: inPlace ? signInPlace : signOnPool,
  }
  return (message) => signatureOf(message, means)
}

type Above = (names: readonly string[]) => string

interface Means {
  readonly dkim: DkimConfig
  readonly above: Above
  readonly pause: () => Promise<void>
  readonly signBytes: (bytes: Buffer, key: DkimConfig['key']) => Promise<Buffer> | Buffer
}

async function signatureOf(message: HashedBody, { dkim, above, pause, signBytes }: Means): Promise<string> {
  const { header, body } = split(message)
  const fields = parseFields(header)
  const names = signedNames(fields, dkim.skipFields)
  const unsigned = `${above(names)} bh=${await hashBody(body, pause)};\r\n b=`
  const value = relaxed(unsigned.slice(unsigned.indexOf(':') + 1))
  const signed = Buffer.from(`${signedFields(fields, names)}dkim-signature:${value}`, 'latin1')
  const signature = await signBytes(signed, dkim.key)
  return `${unsigned}${folded(signature.toString('base64'))}\r\n`
}

function split({ pieces, fixed }: HashedBody): { header: string; body: HashedBody } {
  const [first = Buffer.alloc(0), ...rest] = pieces
  // Without a header the first line is the empty one.
  const end = first[0] === 0x0d ? -2 : first.indexOf('\r\n\r\n')
  if (end === -1) {
    if (rest.length > 0) return split({ pieces: [Buffer.concat(pieces)], fixed })
    return { header: first.toString('latin1'), body: { pieces: [], fixed: [] } }
  }
  const bodyAt = end + 4
  const below = fixed.filter(({ at }) => at >= bodyAt).map(({ at, bytes }) => ({ at: at - bodyAt, bytes }))
  return {
    header: first.toString('latin1', 0, Math.max(end, 0)),
    body: { pieces: [first.subarray(bodyAt), ...rest], fixed: below },
  }
}

/** The lines above `bh=`; messages of one content have the same names, so that those of the last are kept. */
function headerAbove({ domainName, keySelector, key }: DkimConfig): Above {
  const algorithm = key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'
  const first = `DKIM-Signature: v=1; a=${algorithm}; c=relaxed/relaxed;\r\n d=${domainName};\r\n s=${keySelector};`
  let last: { readonly names: string; readonly lines: string } | undefined
  return (names) => {
    const joined = names.join(':')
    if (last?.names !== joined) last = { names: joined, lines: `${first}\r\n ${nameList(names)};\r\n` }
    return last.lines
  }
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
  let lines = base64.slice(0, FOLD_LENGTH)
  for (let at = FOLD_LENGTH; at < base64.length; at += FOLD_LENGTH)
    lines += `\r\n  ${base64.slice(at, at + FOLD_LENGTH)}`
  return lines
}

function signInPlace(bytes: Buffer, key: DkimConfig['key']): Buffer {
  const { algorithm, data } = inputOf(bytes, key)
  return sign(algorithm, data, key)
}

function signOnPool(bytes: Buffer, key: DkimConfig['key']): Promise<Buffer> {
  const { algorithm, data } = inputOf(bytes, key)
  return new Promise((resolve, reject) => {
    sign(algorithm, data, key, (error, signature) => {
      if (error) reject(error)
      else resolve(signature)
    })
  })
}

/** RFC 8463, 3: what Ed25519 signs is the SHA-256 of the header. */
function inputOf(bytes: Buffer, { asymmetricKeyType }: DkimConfig['key']) {
  if (asymmetricKeyType !== 'ed25519') return { algorithm: 'sha256', data: bytes }
  return { algorithm: null, data: createHash('sha256').update(bytes).digest() }
}
