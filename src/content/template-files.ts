// Templates from files: what a template includes, imports and extends is put into one self-contained source.
// It happens once, where the files are; workers get the one source and never open a file.
// It must not read outside the root, whatever a name or a symbolic link says.

import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { FluxMailError, messageOf } from '../errors.js'
import { errorAt } from './template-error.js'
import { limits } from './template-limits.js'
import type { Origin } from './template-origin.js'
import { type BlockItem, type Item, openSource, readSource, type SourceFile } from './template-source.js'
import type { Segment } from './template-tags.js'

/** Text that goes into the whole, and where in a file it is from; glue has no `at`. */
interface Piece {
  readonly text: string
  readonly file: SourceFile
  readonly at?: number
}

/** What blocks hold: for each name the definitions, that of the furthest descendant first. */
type Definitions = Map<string, { readonly file: SourceFile; readonly items: readonly Item[] }[]>

interface Imported {
  readonly names: readonly string[]
}

/**
 * Reads the template at `path` and all that it refers to.
 * Throws FluxMailError `read_error` if `path` cannot be read, `template_error` for everything else.
 */
export function flattenFile(path: string, root?: string): { source: string; origins: Origin[] } {
  const file = openSource(path)
  const flattener = new Flattener(rootOf(file, root))
  return assemble(flattener.whole(file))
}

function rootOf(file: SourceFile, root: string | undefined): string {
  if (root === undefined) return dirname(file.path)
  try {
    return realpathSync(root)
  } catch (error) {
    throw new FluxMailError('read_error', `the template folder ${root} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function assemble(pieces: readonly Piece[]): { source: string; origins: Origin[] } {
  let source = ''
  const origins: Origin[] = []
  for (const { text, file, at } of pieces) {
    if (at !== undefined) origins.push({ from: source.length, file: file.name, source: file.source, at })
    source += text
  }
  return { source, origins }
}

function faultIn(file: SourceFile, place: Segment, reason: string): FluxMailError {
  return errorAt({ template: file.name, line: place.lineno + 1, column: place.colno + 1 }, reason)
}

class Flattener {
  private readonly root: string
  private readonly hoisted: Piece[] = []
  private readonly imported = new Map<string, Imported>()
  private readonly macroFiles = new Map<string, SourceFile>()
  private glued = 0
  private size = 0

  constructor(root: string) {
    this.root = root
  }

  whole(file: SourceFile): Piece[] {
    const pieces = this.flatten(file, 0)
    return [...this.hoisted, ...pieces]
  }

  /** One file with its line of parents. */
  private flatten(start: SourceFile, depth: number): Piece[] {
    const definitions: Definitions = new Map()
    const before: Piece[] = []
    let file = start
    for (let generation = depth; ; generation++) {
      collectBlocks(file, file.items, definitions)
      const parent = this.parentOf(file, generation)
      if (!parent) return [...before, ...this.expand(file, file.items, definitions, generation)]
      before.push(...this.definitionsOf(file, generation).pieces)
      file = parent
    }
  }

  private parentOf(file: SourceFile, depth: number): SourceFile | undefined {
    const tag = file.items.find((item) => 'tokens' in item && item.tokens[0]?.value === 'extends')
    return tag && 'tokens' in tag ? this.read(file, tag, depth) : undefined
  }

  private expand(
    file: SourceFile,
    items: readonly Item[],
    definitions: Definitions,
    depth: number,
    level = 0,
    name?: string,
  ): Piece[] {
    return items.flatMap((item) => {
      if ('items' in item) return this.block(file, item, definitions, depth)
      if (isSuper(item)) return this.super(file, item, definitions, depth, level, name)
      return this.segment(file, item, depth)
    })
  }

  private block(file: SourceFile, item: BlockItem, definitions: Definitions, depth: number): Piece[] {
    const chosen = definitions.get(item.name)?.[0] ?? { file, items: item.items }
    const body = this.expand(chosen.file, chosen.items, definitions, depth, 0, item.name)
    return [this.piece(file, item.open), ...body, this.piece(file, item.close)]
  }

  private super(
    file: SourceFile,
    item: Segment,
    definitions: Definitions,
    depth: number,
    level: number,
    name = '',
  ): Piece[] {
    const parent = definitions.get(name)?.[level + 1]
    if (!parent) throw faultIn(file, item, 'there is no block of that name above for super()')
    const body = this.expand(parent.file, parent.items, definitions, depth, level + 1, name)
    return this.wrap(file, item, body)
  }

  private segment(file: SourceFile, segment: Segment, depth: number): Piece[] {
    const word = segment.kind === 'block' ? segment.tokens[0]?.value : undefined
    if (word === 'include') return this.include(file, segment, depth)
    if (word === 'import') return this.importAs(file, segment, depth)
    if (word === 'from') return this.importFrom(file, segment, depth)
    return [this.piece(file, segment)]
  }

  private include(file: SourceFile, segment: Segment, depth: number): Piece[] {
    const mayMiss = segment.tokens.some((token) => token.value === 'missing')
    const included = this.read(file, segment, depth, mayMiss)
    return included ? this.wrap(file, segment, this.flatten(included, depth + 1)) : []
  }

  private importAs(file: SourceFile, segment: Segment, depth: number): Piece[] {
    const { names } = this.import(file, segment, depth)
    const alias = String(segment.tokens[3]?.value)
    const fields = names.map((name) => `${name}: ${name}`).join(', ')
    return [this.glue(file, segment, `set ${alias} = { ${fields} }`)]
  }

  private importFrom(file: SourceFile, segment: Segment, depth: number): Piece[] {
    const { names } = this.import(file, segment, depth)
    const pieces: Piece[] = []
    for (const [name, alias] of importedNames(segment)) {
      if (!names.includes(name)) throw faultIn(file, segment, `"${name}" is not defined in that file`)
      if (alias !== name) pieces.push(this.glue(file, segment, `set ${alias} = ${name}`))
    }
    return pieces
  }

  /** Brings the definitions of a file to the start of the whole, once, and says which names it gives. */
  private import(file: SourceFile, segment: Segment, depth: number): Imported {
    const source = this.read(file, segment, depth)
    if (!source) throw faultIn(file, segment, 'the file to import is missing')
    const known = this.imported.get(source.path)
    if (known) return known
    const { pieces, names } = this.definitionsOf(source, depth + 1)
    for (const name of names) {
      const other = this.macroFiles.get(name)
      if (other)
        throw faultIn(
          file,
          segment,
          `"${name}" is defined in ${other.name} and in ${source.name}; rename one`,
        )
      this.macroFiles.set(name, source)
    }
    this.hoisted.push(...pieces)
    const imported = { names: names.filter((name) => !name.startsWith('_')) }
    this.imported.set(source.path, imported)
    return imported
  }

  /** The macros, assignments and imports at the top of a file whose own output is not used. */
  private definitionsOf(file: SourceFile, depth: number): { pieces: Piece[]; names: string[] } {
    const pieces: Piece[] = []
    const names: string[] = []
    let end: string | undefined
    for (const item of file.items) {
      const word = 'tokens' in item && item.kind === 'block' ? String(item.tokens[0]?.value) : undefined
      if (end !== undefined) {
        pieces.push(...('items' in item ? [] : this.segment(file, item, depth)))
        if (word === end) end = undefined
        continue
      }
      if ('items' in item || word === undefined || word === 'extends') continue
      end = endOf(file, item, word)
      pieces.push(...this.segment(file, item, depth))
      if (word === 'set' || word === 'macro') names.push(String(item.tokens[1]?.value))
    }
    return { pieces, names }
  }

  private read(file: SourceFile, segment: Segment, depth: number, mayMiss = false): SourceFile | undefined {
    const name = segment.tokens[1]
    if (name?.type !== 'string' || segment.tokens[2]?.type === 'operator') {
      throw faultIn(file, segment, 'the name of the other file must be a text in quotes')
    }
    if (depth >= limits.includeDepth) {
      throw faultIn(file, segment, `files include or extend each other more than ${limits.includeDepth} deep`)
    }
    try {
      return readSource(String(name.value), file, this.root, mayMiss)
    } catch (error) {
      throw error instanceof FluxMailError ? error : faultIn(file, segment, messageOf(error))
    }
  }

  private piece(file: SourceFile, segment: Segment): Piece {
    this.size += segment.source.length
    if (this.size > limits.sourceChars) {
      throw faultIn(
        file,
        segment,
        `with all its files the template is longer than ${limits.sourceChars} characters`,
      )
    }
    return { text: segment.source, file, at: segment.start }
  }

  /** A tag in the place of another, with its marks for trimming. */
  private glue(file: SourceFile, segment: Segment, tag: string): Piece {
    const { left, right } = trimMarks(segment)
    return { text: `{%${left} ${tag} ${right}%}`, file }
  }

  /** What is put in from elsewhere stands in a block of its own, so that its variables stay inside. */
  private wrap(file: SourceFile, segment: Segment, body: readonly Piece[]): Piece[] {
    const { left, right } = trimMarks(segment)
    const name = `part_${++this.glued}`
    return [{ text: `{%${left} block ${name} %}`, file }, ...body, { text: `{% endblock ${right}%}`, file }]
  }
}

function collectBlocks(file: SourceFile, items: readonly Item[], definitions: Definitions): void {
  for (const item of items) {
    if (!('items' in item)) continue
    const known = definitions.get(item.name) ?? []
    if (known.some((definition) => definition.file === file)) {
      throw faultIn(file, item.open, `the block "${item.name}" stands here twice`)
    }
    definitions.set(item.name, [...known, { file, items: item.items }])
    collectBlocks(file, item.items, definitions)
  }
}

function trimMarks(segment: Segment): { left: string; right: string } {
  const { source } = segment
  return { left: source.startsWith('-', 2) ? '-' : '', right: source.at(-3) === '-' ? '-' : '' }
}

function isSuper(segment: Segment): boolean {
  return segment.kind === 'output' && segment.tokens.map((token) => token.value).join('') === 'super()'
}

/** The tag that ends a definition which is not complete in one tag. */
function endOf(file: SourceFile, segment: Segment, word: string): string | undefined {
  if (word === 'macro') return 'endmacro'
  if (word === 'set') return segment.tokens.some((token) => token.value === '=') ? undefined : 'endset'
  if (word === 'import' || word === 'from') return undefined
  throw faultIn(
    file,
    segment,
    `{% ${word} %} cannot stand outside a block or macro in a file whose output is not used`,
  )
}

function importedNames(segment: Segment): [string, string][] {
  const words = segment.tokens.slice(3).filter((token) => token.type === 'symbol')
  const names = words.map((token) => String(token.value))
  const context = names.findIndex((name) => name === 'with' || name === 'without')
  const listed = context === -1 ? names : names.slice(0, context)
  const pairs: [string, string][] = []
  for (const [index, name] of listed.entries()) {
    if (name === 'as' || listed[index - 1] === 'as') continue
    pairs.push([name, listed[index + 1] === 'as' ? String(listed[index + 2]) : name])
  }
  return pairs
}
