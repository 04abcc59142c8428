// Whether a key and a certificate are what they are said to be and belong together.
// Nothing of the key is ever quoted.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { messageOf } from '../errors.js'

export interface KeyPair {
  readonly key: string | Buffer
  readonly cert: string | Buffer
}

/** What is wrong, or undefined. */
export function keyPairProblem({ key, cert }: KeyPair): string | undefined {
  if (isCertificate(key) && isKey(cert))
    return 'the key is a certificate and the certificate is a key; they may be swapped'
  try {
    createSecureContext({ key, cert })
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function isKey(pem: string | Buffer): boolean {
  return reads(() => createPrivateKey(pem))
}

function isCertificate(pem: string | Buffer): boolean {
  return reads(() => new X509Certificate(pem))
}

function reads(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}
