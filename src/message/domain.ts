// One form for every domain: lower-case ASCII, as it stands in RCPT TO and in every key that is made of it.
// It must never hand on a name that a relay would read differently from us.

import { domainToASCII, domainToUnicode } from 'node:url'

const maxDomainLength = 253
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
// domainToASCII reads like a URL parser: it decodes %61 and stops at / ? #, so other ASCII never reaches it.
const foreignAscii = /[^A-Za-z0-9.\-\u0080-\u{10ffff}]/u

/**
 * The one form of a domain: lower-case, international labels as punycode (UTS 46). `localhost` and other single
 * names are domains; IP addresses, domain literals, a dot at the end and labels with an underscore are not.
 * Returns undefined when it is no domain.
 */
export function normalizeDomain(domain: string): string | undefined {
  if (domain.length > 4 * maxDomainLength || foreignAscii.test(domain)) return undefined
  // Some versions of Unicode fold the capital sharp s to ss and others to ß, and Node's change: one is chosen here.
  const ascii = domainToASCII(domain.replaceAll('ẞ', 'ß'))
  return isHostName(ascii) && isStable(ascii) ? ascii : undefined
}

function isHostName(ascii: string): boolean {
  if (ascii === '' || ascii.length > maxDomainLength) return false
  const labels = ascii.split('.')
  return labels.every((part) => label.test(part)) && !/^\d+$/.test(labels.at(-1) ?? '')
}

/**
 * Whether every label of punycode decodes to something else that encodes to it again: `xn--example-.com` would be a
 * second name for example.com. Node 24 hands back unchanged what it cannot decode, where Node 20 refuses it.
 */
function isStable(ascii: string): boolean {
  if (!ascii.includes('xn--')) return true
  const unicode = domainToUnicode(ascii)
  return !unicode.includes('xn--') && domainToASCII(unicode) === ascii
}
