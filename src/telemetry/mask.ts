// Takes addresses out of what is said in a log: a reply often quotes its recipient, in whole or by the local part.
// Domains stay, since they say which server is meant.

/** A relay may send a megabyte, and these patterns look at every place of it. */
const LONGEST = 1_000

const domain = '[^\\s<>"\',;:()[\\]]+'
const quoted = new RegExp(`"(?:[^"\\\\]|\\\\.){1,128}"@(?=${domain})`, 'g')
const plain = new RegExp(`[^\\s<>"',;:()[\\]]+@(?=${domain})`, 'g')
/** As links have it, and bounce addresses. */
const encoded = /[\w.+~%-]+(%40|=40)(?=[\w-]+\.)/gi

/** Replaces the local part of what looks like an address, and cuts what is too long to read. */
export function maskAddresses(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return cut.replaceAll(quoted, '…@').replaceAll(plain, '…@').replaceAll(encoded, '…$1')
}

/** The same, and the local part of this address wherever it stands alone. */
export function maskRecipient(text: string, address: string): string {
  const masked = maskAddresses(text)
  const local = address.slice(0, address.lastIndexOf('@'))
  // A letter or two names nobody, and would be found in every other word.
  if (local.length < 3) return masked
  const literal = local.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  return masked.replaceAll(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'giu'), '…')
}
