// The field that a line of an error begins with, as in `users.0.lane: …` or `port must …`, under another name: where
// the value came from may be a variable or a flag, and whoever set it knows no fields.

/** Renames the leading field of each line for which `rename` has another name. `inner` is what follows it, as `.0.lane`. */
export function renameFields(
  message: string,
  rename: (field: string, inner: string) => string | undefined,
): string {
  return message
    .split('\n  ')
    .map((line) => renameField(line, rename))
    .join('\n  ')
}

function renameField(line: string, rename: (field: string, inner: string) => string | undefined): string {
  const [whole, field = '', inner = ''] = /^([A-Za-z]+)((?:\[\d+\]|\.[^:\s]+)*)(?=: | must )/.exec(line) ?? []
  const name = whole === undefined ? undefined : rename(field, inner)
  return whole === undefined || name === undefined ? line : `${name}${line.slice(whole.length)}`
}

/** Replaces what `advice` finds, each row once. */
export function reword(
  message: string,
  advice: readonly (readonly [said: RegExp, instead: string])[],
): string {
  return advice.reduce((text, [said, instead]) => text.replace(said, instead), message)
}
