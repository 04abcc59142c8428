// One file of a template: read, checked, and cut into text, tags and blocks.
// It must not open a path outside the root: real paths are compared, so that links and `..` lead nowhere.

import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { FluxMailError, messageOf } from '../errors.js'
import { errorAt } from './template-error.js'
import { limits } from './template-limits.js'
import { faultAt, parseTemplate, TemplateFault } from './template-syntax.js'
import { cutTags, type Segment } from './template-tags.js'

export interface BlockItem {
  readonly name: string
  readonly open: Segment
  readonly close: Segment
  readonly items: readonly Item[]
}

export type Item = Segment | BlockItem

export interface SourceFile {
  /** The real path. */
  readonly path: string
  /** What errors call it. */
  readonly name: string
  readonly source: string
  readonly items: readonly Item[]
}

/** The file that the app named. Throws FluxMailError `read_error` or `template_error`. */
export function openSource(path: string): SourceFile {
  try {
    return load(realpathSync(path), path)
  } catch (error) {
    if (error instanceof FluxMailError) throw error
    throw new FluxMailError('read_error', `the template ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/**
 * A file that a template names. Undefined if it `mayMiss` and is not there.
 * Throws FluxMailError `template_error` for its syntax, and plain errors that say why it may not or cannot be read.
 */
export function readSource(
  name: string,
  from: SourceFile,
  root: string,
  mayMiss: boolean,
): SourceFile | undefined {
  if (isAbsolute(name)) throw new TemplateFault(`"${name}" is not below the folder of the templates`)
  const base = /^\.\.?\//.test(name) ? dirname(from.path) : root
  const path = realPathOf(resolve(base, name))
  if (path === undefined) {
    if (mayMiss) return undefined
    throw new TemplateFault(`there is no file "${name}"`)
  }
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw new TemplateFault(`"${name}" is not below the folder of the templates`)
  }
  return load(path, relative(root, path))
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function load(path: string, name: string): SourceFile {
  const stat = statSync(path)
  if (!stat.isFile()) throw new TemplateFault(`"${name}" is not a file`)
  if (stat.size > limits.sourceChars * 4) {
    throw new TemplateFault(`"${name}" is longer than ${limits.sourceChars} characters`)
  }
  const source = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  return { path, name, source, items: checkedItems(source, name) }
}

function checkedItems(source: string, name: string): Item[] {
  try {
    parseTemplate(source)
    return nestBlocks(cutTags(source))
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error
    throw errorAt(
      { template: name, line: error.line ?? 1, column: error.column ?? 1 },
      error.message,
      error.cause,
    )
  }
}

interface OpenBlock {
  readonly name: string
  readonly open: Segment | undefined
  readonly items: Item[]
}

function nestBlocks(segments: readonly Segment[]): Item[] {
  const top: OpenBlock = { name: '', open: undefined, items: [] }
  const stack = [top]
  for (const segment of segments) {
    const current = stack.at(-1) ?? top
    const word = segment.kind === 'block' ? segment.tokens[0]?.value : undefined
    if (word === 'block') {
      stack.push({ name: String(segment.tokens[1]?.value), open: segment, items: [] })
    } else if (word === 'endblock') {
      closeBlock(stack, current, segment)
    } else current.items.push(segment)
  }
  return top.items
}

function closeBlock(stack: OpenBlock[], current: OpenBlock, close: Segment): void {
  const { name, open, items } = current
  stack.pop()
  const outer = stack.at(-1)
  if (!open || !outer) throw faultAt(close, 'there is no block for this endblock')
  outer.items.push({ name, open, close, items })
}
