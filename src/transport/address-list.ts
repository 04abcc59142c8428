// The addresses that Nodemailer takes in one value: a string with commas and groups, an object, arrays of them.
// Each piece goes through our own parser alone, so that no list hides in what was meant to be one address.

import { parseMailbox } from '../message/address.js'
import { parseHeaderText } from '../message/header-text.js'

const longestGroupName = 256
const groupName = /^(?:[^"@<>()[\]\\]|"[^"@\\]*")+$/

/**
 * The addresses of one value in their normal form; none for a value that is missing or empty.
 *
 * @throws FluxMailError `invalid_email`, `no_email`, with the field it was found in
 */
export function readAddressList(value: unknown, field: string): string[] {
  if (value === undefined || value === null || value === false || value === '') return []
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => readAddressList(item, `${field}[${index}]`))
  }
  if (typeof value === 'string') {
    const text = parseHeaderText(value, field, 'invalid_email')
    return splitAddresses(text).map((piece) => parseMailbox(piece, field).address)
  }
  return [parseMailbox(withoutEmptyName(value), field).address]
}

function withoutEmptyName(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('address' in value)) return value
  const { address } = value
  return 'name' in value && value.name ? { name: value.name, address } : { address }
}

/** Cuts at each comma and semicolon outside quotes and angle brackets, and leaves the names of groups out. */
function splitAddresses(text: string): string[] {
  const pieces: string[] = []
  let start = 0
  let closer = ''
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (closer !== '') {
      if (character === closer) closer = ''
      else if (character === '\\' && closer === '"') at += 1
    } else if (character === '"') closer = '"'
    else if (character === '<') closer = '>'
    else if (character === ',' || character === ';') {
      pieces.push(text.slice(start, at))
      start = at + 1
    } else if (character === ':' && isGroupName(text, start, at)) start = at + 1
  }
  pieces.push(text.slice(start))
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== '')
}

function isGroupName(text: string, start: number, end: number): boolean {
  return end - start <= longestGroupName && groupName.test(text.slice(start, end))
}
