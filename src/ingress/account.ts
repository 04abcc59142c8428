// Who may submit: users as configured, made ready for being asked about each login and each MAIL FROM.

import { domainOf, parseMailbox } from '../message/address.js'
import { invalidConfig } from './invalid-config.js'
import { type PasswordHash, parsePasswordHash } from './password.js'

export interface IngressUser {
  readonly username: string
  /** Made by `hashPassword()`. */
  readonly passwordHash: string
  readonly lane?: string | undefined
  readonly route?: string | undefined
  /** What MAIL FROM may be: `a@example.com`, or `@example.com` for a whole domain; any unless given. */
  readonly senders?: readonly string[] | undefined
}

export interface Account {
  readonly username: string
  readonly hash: PasswordHash
  readonly lane: string | undefined
  readonly route: string | undefined
  /** Addresses and `@domains` in lower case; undefined for any. */
  readonly senders: ReadonlySet<string> | undefined
}

/** @throws FluxMailError `invalid_config` */
export function accountsOf(users: readonly IngressUser[]): ReadonlyMap<string, Account> {
  const accounts = new Map<string, Account>()
  for (const [index, user] of users.entries()) {
    const hash = parsePasswordHash(user.passwordHash)
    if (hash === undefined) throw invalidConfig(`users.${index}.passwordHash: is no hash`)
    if (accounts.has(user.username))
      throw invalidConfig(`users.${index}.username: there is another user of that name`)
    const senders = user.senders?.map((sender, at) => senderRule(sender, `users.${index}.senders.${at}`))
    accounts.set(user.username, {
      username: user.username,
      hash,
      lane: user.lane,
      route: user.route,
      senders: senders && new Set(senders),
    })
  }
  return accounts
}

/** Whether an address in its normal form may stand in MAIL FROM; the null sender only where any may. */
export function maySend({ senders }: Account, address: string): boolean {
  if (senders === undefined) return true
  if (address === '') return false
  return senders.has(address.toLowerCase()) || senders.has(`@${domainOf(address)}`)
}

function senderRule(sender: string, field: string): string {
  const wholeDomain = sender.startsWith('@')
  try {
    const { address } = parseMailbox({ address: wholeDomain ? `any${sender}` : sender }, field)
    return wholeDomain ? `@${domainOf(address)}` : address.toLowerCase()
  } catch (cause) {
    throw invalidConfig(
      `${field}: must be an address such as a@example.com, or a domain such as @example.com`,
      cause,
    )
  }
}
