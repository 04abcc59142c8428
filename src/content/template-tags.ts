// Cuts the source of a template into text and tags, with the lexer that parses it, so that both always agree.
// Whoever changes the source of a template (CSS, text part, files) moves tags as a whole and never looks inside.

import { faultAt, lexTemplate, TemplateFault, type Token, type Tokens } from './template-syntax.js'

export interface Segment {
  /** `raw` is a whole `{% raw %}…{% endraw %}`. */
  readonly kind: 'text' | 'output' | 'block' | 'comment' | 'raw'
  readonly source: string
  readonly start: number
  readonly lineno: number
  readonly colno: number
  /** What stands inside the tag, without white space. */
  readonly tokens: readonly Token[]
}

/** Throws TemplateFault where a tag has no end. */
export function cutTags(source: string): Segment[] {
  const tokens = lexTemplate(source)
  const segments: Segment[] = []
  try {
    for (let next = cutNext(source, tokens); next; next = cutNext(source, tokens)) segments.push(next)
  } catch (error) {
    if (error instanceof TemplateFault) throw error
    throw new TemplateFault('a tag or comment has no end', tokens.lineno + 1, tokens.colno + 1, error)
  }
  return segments
}

function cutNext(source: string, tokens: Tokens): Segment | undefined {
  const start = tokens.index
  const opening = tokens.nextToken()
  if (!opening) return undefined
  const { lineno, colno } = opening
  const segment = (kind: Segment['kind'], inner: readonly Token[] = []): Segment => {
    return { kind, source: source.slice(start, tokens.index), start, lineno, colno, tokens: inner }
  }
  if (opening.type === 'data') return segment('text')
  if (opening.type === 'comment') return segment('comment')
  const block = opening.type === 'block-start'
  const inner = readTag(tokens, opening, block ? 'block-end' : 'variable-end')
  if (!block) return segment('output', inner)
  const name = inner[0]?.value
  if (name !== 'raw' && name !== 'verbatim') return segment('block', inner)
  skipRaw(source, tokens, opening, name)
  return segment('raw')
}

function readTag(tokens: Tokens, opening: Token, end: string): Token[] {
  const inner: Token[] = []
  for (let token = tokens.nextToken(); token?.type !== end; token = tokens.nextToken()) {
    if (!token) throw faultAt(opening, 'this tag has no end')
    if (token.type !== 'whitespace') inner.push(token)
  }
  return inner
}

function skipRaw(source: string, tokens: Tokens, opening: Token, name: string): void {
  const edge = new RegExp(`\\{%\\s*(end)?${name}\\s*%\\}`, 'g')
  edge.lastIndex = tokens.index
  for (let level = 1; level > 0; ) {
    const match = edge.exec(source)
    if (!match) throw faultAt(opening, `there is no {% end${name} %} for this`)
    level += match[1] ? -1 : 1
  }
  tokens.forwardN(edge.lastIndex - tokens.index)
}
