// Password hashes: scrypt, in the notation that other programs use too ($scrypt$ln=15,r=8,p=1$salt$hash).
// A password is never kept, and never compared in a time that tells how much of it was right.

import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { FluxMailError } from '../errors.js'

export interface PasswordHash {
  /** The logarithm of scrypt's N. */
  readonly ln: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** 32 MB and some 70 ms of one core (RFC 7914). */
const cost = { ln: 15, r: 8, p: 1 } as const
const SALT_BYTES = 16
const HASH_BYTES = 32
const MAX_MEMORY_BYTES = 256 * 1024 * 1024
const MAX_PASSWORD_BYTES = 1024

const notation =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/**
 * The hash of a password, as `passwordHash` of a user takes it. It runs beside the event loop.
 *
 * @throws FluxMailError `invalid_params` for an empty password or one of more than 1024 octets
 */
export async function hashPassword(password: string): Promise<string> {
  if (typeof password !== 'string' || password === '' || Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
    throw new FluxMailError('invalid_params', `a password must be 1 to ${MAX_PASSWORD_BYTES} octets`)
  }
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, { ...cost, salt, hash: Buffer.alloc(HASH_BYTES) })
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Undefined for what is no hash, is too cheap to be one (N under 4096), or would take over 256 MB. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, ln = 0, r = 0, p = 0] = notation.exec(text)?.map(Number) ?? []
  const [salt, hash] = text.split('$').slice(-2)
  if (ln < 12 || ln > 20 || r < 1 || p < 1 || p > 16 || memoryOf({ ln, r }) > MAX_MEMORY_BYTES)
    return undefined
  return { ln, r, p, salt: Buffer.from(salt ?? '', 'base64'), hash: Buffer.from(hash ?? '', 'base64') }
}

export function isPasswordHash(text: string): boolean {
  return parsePasswordHash(text) !== undefined
}

/** Whether the password is the one of the hash. */
export async function verifyPassword(password: string, known: PasswordHash): Promise<boolean> {
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) return false
  return timingSafeEqual(await derive(password, known), known.hash)
}

/** A hash of no password at all, as dear to verify as the given one. */
export function decoyOf({ ln, r, p }: PasswordHash): PasswordHash {
  return { ln, r, p, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) }
}

function derive(password: string, { ln, r, p, salt, hash }: PasswordHash): Promise<Buffer> {
  // Twice what is needed: OpenSSL counts a little more than the block itself.
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: 2 * memoryOf({ ln, r }) }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function memoryOf({ ln, r }: { ln: number; r: number }): number {
  return 128 * r * 2 ** ln
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
