// What of a header DKIM signs: which fields, how often each, and in which form (RFC 6376, 3.4.2 and 5.4).
// A name that is signed once more than it occurs cannot be added to the message without breaking the signature.

/** A field of a header, its bytes as Latin-1. */
export interface HeaderField {
  /** In lower case. */
  readonly name: string
  /** In relaxed form, without the line end. */
  readonly value: string
}

/** Sealed also where they are missing: what a reader is shown or answers to. */
const sealedAlways = ['from', 'reply-to', 'subject', 'cc']
/** Sealed where they stand: a relay or a mailing list may add those that are missing. */
const sealedIfThere = [
  'sender',
  'to',
  'date',
  'message-id',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
  'content-description',
  'in-reply-to',
  'references',
  'feedback-id',
]
const sealedFamily = /^list-[a-z0-9-]+$/
/** Signed as they stand; whoever sends a message on puts further ones above them. */
const signedFamily = /^resent-[a-z0-9-]+$/

export function parseFields(header: string): HeaderField[] {
  const fields: HeaderField[] = []
  for (const line of header.split(/\r\n(?![ \t])/)) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.push({ name: nameOf(line.slice(0, colon)), value: relaxed(line.slice(colon + 1)) })
  }
  return fields
}

function nameOf(text: string): string {
  return relaxed(text).toLowerCase()
}

/** Unfolded, runs of spaces and tabs as one space, none at the ends. */
export function relaxed(value: string): string {
  const unfolded = value.includes('\r\n') ? value.replaceAll('\r\n', '') : value
  const single = /[ \t]{2}|\t/.test(unfolded) ? unfolded.replace(/[ \t]+/g, ' ') : unfolded
  const start = single.startsWith(' ') ? 1 : 0
  return single.slice(start, single.length > start && single.endsWith(' ') ? -1 : undefined)
}

/** The names to sign, in the order of `h=`: each as often as it stands, and once more where it is sealed. */
export function signedNames(fields: readonly HeaderField[], skip: ReadonlySet<string>): string[] {
  const counts = new Map<string, number>(sealedAlways.map((name) => [name, 0]))
  for (const { name } of fields) {
    if (isSealed(name) || signedFamily.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts]
    .filter(([name]) => !skip.has(name))
    .flatMap(([name, count]) => new Array<string>(count + (isSealed(name) ? 1 : 0)).fill(name))
}

function isSealed(name: string): boolean {
  return sealedAlways.includes(name) || sealedIfThere.includes(name) || sealedFamily.test(name)
}

/** The fields of those names as they are signed, each with its line end; of equal names the last comes first. */
export function signedFields(fields: readonly HeaderField[], names: readonly string[]): string {
  const byName = new Map<string, string[]>()
  for (const { name, value } of fields) {
    const values = byName.get(name)
    if (values) values.push(value)
    else byName.set(name, [value])
  }
  let text = ''
  for (const name of names) {
    const value = byName.get(name)?.pop()
    if (value !== undefined) text += `${name}:${value}\r\n`
  }
  return text
}
