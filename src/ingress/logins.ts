// Is this the password? Paid for in scrypt for every guess, known user or not; what was right is remembered for minutes.
// What is remembered answers only the very same password, and nothing answers whoever is locked out.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { Account } from './account.js'
import { type Claimant, FailedLogins } from './failed-logins.js'
import { Gate } from './gate.js'
import { decoyOf, type PasswordHash, verifyPassword } from './password.js'

export type LoginResult =
  | { readonly kind: 'known'; readonly account: Account }
  | { readonly kind: 'wrong' }
  /** Too many failed; nothing is looked at for so long. */
  | { readonly kind: 'locked'; readonly ms: number }
  /** More logins at once than can be looked at. */
  | { readonly kind: 'busy' }

export interface Credentials {
  readonly username: string
  readonly password: string
}

interface Remembered {
  readonly proof: Buffer
  readonly until: number
}

const REMEMBER_MS = 10 * 60_000
// Two of the four threads that Node has for such work, and seconds of waiting at the most.
const gate = { maxAtOnce: 2, maxWaiting: 32 }

export class Logins {
  readonly #accounts: ReadonlyMap<string, Account>
  readonly #failed: FailedLogins
  readonly #clock: Clock
  readonly #gate = new Gate(gate)
  /** Proofs mean nothing outside this process. */
  readonly #key = randomBytes(32)
  readonly #remembered = new Map<string, Remembered>()
  readonly #running = new Map<string, Promise<LoginResult>>()
  readonly #decoy: PasswordHash | undefined

  constructor(accounts: ReadonlyMap<string, Account>, maxFailed: number, clock: Clock) {
    this.#accounts = accounts
    this.#failed = new FailedLogins(maxFailed)
    this.#clock = clock
    // Of the dearest, so that time never tells a name.
    const [dearest] = [...accounts.values()].toSorted((a, b) => b.hash.ln - a.hash.ln)
    this.#decoy = dearest && decoyOf(dearest.hash)
  }

  /** `address` is where the client is. */
  async check(credentials: Credentials, address: string): Promise<LoginResult> {
    const claimant = { address, username: credentials.username }
    const locked = this.#locked(claimant)
    if (locked) return locked
    const proof = this.#proofOf(credentials)
    const account = this.#accounts.get(credentials.username)
    if (account && this.#isRemembered(account, proof)) {
      this.#failed.welcome(claimant)
      return { kind: 'known', account }
    }
    if (this.#failed.isRepeat(claimant, proof.toString('base64'))) return { kind: 'wrong' }
    return this.#runOnce(`${address} ${proof.toString('base64')}`, async () => {
      const result = await this.#gate.run(() => this.#verify(credentials, claimant, proof))
      return result ?? { kind: 'busy' }
    })
  }

  /** Whether a user has this name. */
  isUser(username: string): boolean {
    return this.#accounts.has(username)
  }

  /** Fifty connections that open at once with the same password are one piece of work. */
  #runOnce(key: string, work: () => Promise<LoginResult>): Promise<LoginResult> {
    const running = this.#running.get(key)
    if (running) return running
    const fresh = work().finally(() => this.#running.delete(key))
    this.#running.set(key, fresh)
    return fresh
  }

  async #verify(credentials: Credentials, claimant: Claimant, proof: Buffer): Promise<LoginResult> {
    const locked = this.#locked(claimant)
    if (locked) return locked
    // Counted before it is looked at, so that guesses at the same time are no more than guesses in turn.
    this.#failed.add(claimant, this.#clock.monotonicMs())
    const account = this.#accounts.get(credentials.username)
    const hash = account?.hash ?? this.#decoy
    const right = hash !== undefined && (await verifyPassword(credentials.password, hash))
    if (!right || account === undefined) {
      this.#failed.wrong(claimant, proof.toString('base64'))
      return { kind: 'wrong' }
    }
    this.#failed.succeeded(claimant)
    this.#remember(account, proof)
    return { kind: 'known', account }
  }

  #locked(claimant: Claimant): LoginResult | undefined {
    const ms = this.#failed.lockedMs(claimant, this.#clock.monotonicMs())
    return ms > 0 ? { kind: 'locked', ms } : undefined
  }

  #isRemembered(account: Account, proof: Buffer): boolean {
    const known = this.#remembered.get(account.username)
    const right = known && known.until > this.#clock.monotonicMs() && timingSafeEqual(known.proof, proof)
    if (right) this.#remember(account, proof)
    return right === true
  }

  #remember({ username }: Account, proof: Buffer): void {
    this.#remembered.set(username, { proof, until: this.#clock.monotonicMs() + REMEMBER_MS })
  }

  #proofOf({ username, password }: Credentials): Buffer {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([username, password]))
      .digest()
  }
}
