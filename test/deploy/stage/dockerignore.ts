// What of the context a build may see, by the rules of a .dockerignore file: the last pattern that matches decides.

/** Says whether a path, relative to the context and with `/`, is left out. */
export function parseDockerignore(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ leftOut: !line.startsWith('!'), pattern: patternOf(line.replace(/^!/, '')) }))
  return (path) => {
    const parts = path.split('/')
    // A pattern that matches a folder speaks for all that is in it.
    const folders = parts.map((_, index) => parts.slice(0, index + 1).join('/'))
    const deciding = rules.findLast(({ pattern }) => folders.some((folder) => pattern.test(folder)))
    return deciding?.leftOut ?? false
  }
}

function patternOf(glob: string): RegExp {
  const source = glob
    .replace(/^\.?\/|\/$/g, '')
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/?|\*|\?/g, (found) => {
      if (found === '?') return '[^/]'
      if (found === '*') return '[^/]*'
      return found === '**' ? '.*' : '(?:.*/)?'
    })
  return new RegExp(`^${source}$`)
}
