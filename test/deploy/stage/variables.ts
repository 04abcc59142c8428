// The variables of a compose file, filled into its values.

type Variables = Readonly<Record<string, string>>

/** Variables in all values, and in none of the keys: `$$` is a dollar. */
export function filledIn(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') return withVariables(value, variables)
  if (Array.isArray(value)) return value.map((each) => filledIn(each, variables))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filledIn(each, variables)]))
}

/** @throws Error where the file demands a variable that is not set */
export function withVariables(text: string, variables: Variables): string {
  const pattern = /\$\$|\$\{(\w+)(?:(:?[-?+])([^}]*))?\}|\$(\w+)/g
  return text.replace(pattern, (all: string, braced?: string, how = '', word = '', bare?: string) => {
    if (all === '$$') return '$'
    const value = variables[braced ?? bare ?? '']
    const isSet = how.startsWith(':') ? Boolean(value) : value !== undefined
    if (how.endsWith('+')) return isSet ? word : ''
    if (isSet || how === '') return value ?? ''
    if (how.endsWith('?')) throw new Error(`${braced} is not set: ${word}`)
    return word
  })
}
