// A private key out of an option or a file, made into a KeyObject once.
// What is wrong with it is said in words that never quote it.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { messageOf } from '../errors.js'

/** Spelt out, since what zod infers for bytes takes no Buffer and needs the newest TypeScript. */
export type Pem = string | Uint8Array

export const pemSchema = z.custom<Pem>(
  (value) => (typeof value === 'string' && value !== '') || value instanceof Uint8Array,
  'must be a private key in PEM, as a string or a Buffer',
)

export interface KeyOptions {
  readonly privateKey?: Pem | undefined
  readonly privateKeyFile?: string | undefined
}

export type KeyRead =
  | { readonly key: KeyObject }
  /** `option` is the one that is wrong. */
  | { readonly option: keyof KeyOptions; readonly problem: string }

/** The kinds of keys, by Node's names for them, that the caller can use. */
type KeyKind = 'rsa' | 'ed25519'

const MIN_RSA_BITS = 1024
const kindNames: Readonly<Record<KeyKind, string>> = { rsa: 'RSA', ed25519: 'Ed25519' }

/** Reads the key that one of the two options gives. In PEM given as text a literal `\n` counts as a line end. */
export function readPrivateKey(options: KeyOptions, kinds: readonly KeyKind[]): KeyRead {
  const { privateKey, privateKeyFile } = options
  const option = privateKey === undefined ? 'privateKeyFile' : 'privateKey'
  if (privateKey !== undefined && privateKeyFile !== undefined)
    return { option: 'privateKeyFile', problem: 'cannot go with privateKey: give one of the two' }
  try {
    return checked(parseKey(privateKey ?? readFileSync(privateKeyFile ?? '')), option, kinds)
  } catch (thrown) {
    return { option, problem: `cannot be read: ${messageOf(thrown)}` }
  }
}

function checked(key: KeyObject | undefined, option: keyof KeyOptions, kinds: readonly KeyKind[]): KeyRead {
  if (key === undefined)
    return { option, problem: 'holds no private key in PEM that can be read without a passphrase' }
  const names = kinds.map((kind) => kindNames[kind]).join(' or ')
  if (!kinds.some((kind) => kind === key.asymmetricKeyType))
    return { option, problem: `is a key of another kind: it must be ${names}` }
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits === undefined || bits >= MIN_RSA_BITS) return { key }
  return {
    option,
    problem: `is an RSA key of ${bits} bits: receivers ignore less than ${MIN_RSA_BITS}; use 2048`,
  }
}

function parseKey(pem: Pem): KeyObject | undefined {
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1')
  try {
    return createPrivateKey(text.replaceAll('\\n', '\n'))
  } catch {
    // OpenSSL's words help nobody, and may say something of the key.
    return undefined
  }
}
