// The grammar of templates: Nunjucks' own lexer and parser, and types for the tree that they give.
// Only its parser is used: its compiler turns template text into JavaScript, which no quoting makes safe.
// It must never hand a template to Nunjucks' Environment, Template or compiler.

import nunjucks from 'nunjucks'
import { messageOf } from '../errors.js'
import { limits } from './template-limits.js'

interface Position {
  /** From 0. */
  readonly lineno: number
  /** From 0. */
  readonly colno: number
}

export interface ListNode extends Position {
  readonly typename: 'Root' | 'NodeList' | 'Output' | 'Group' | 'Array'
  readonly children: readonly SyntaxNode[]
}
export interface PairNode extends Position {
  readonly typename: 'Pair'
  readonly key: SyntaxNode
  readonly value: SyntaxNode
}
export interface DictNode extends Position {
  readonly typename: 'Dict' | 'KeywordArgs'
  readonly children: readonly PairNode[]
}
export interface LiteralNode extends Position {
  readonly typename: 'Literal' | 'TemplateData'
  readonly value: unknown
}
export interface SymbolNode extends Position {
  readonly typename: 'Symbol'
  readonly value: string
}
export interface LookupNode extends Position {
  readonly typename: 'LookupVal'
  readonly target: SyntaxNode
  readonly val: SyntaxNode | undefined
}
export interface ConditionNode extends Position {
  readonly typename: 'If' | 'InlineIf'
  readonly cond: SyntaxNode
  readonly body: SyntaxNode
  readonly else_: SyntaxNode | null
}
export interface ForNode extends Position {
  readonly typename: 'For'
  readonly arr: SyntaxNode
  readonly name: SyntaxNode
  readonly body: SyntaxNode
  readonly else_: SyntaxNode | null
}
export interface MacroNode extends Position {
  readonly typename: 'Macro' | 'Caller'
  readonly name: SymbolNode
  readonly args: ListNode
  readonly body: SyntaxNode
}
export interface CallNode extends Position {
  readonly typename: 'FunCall'
  readonly name: SyntaxNode
  readonly args: ListNode
}
export interface FilterNode extends Position {
  readonly typename: 'Filter'
  readonly name: SymbolNode
  readonly args: ListNode
}
export interface BlockNode extends Position {
  readonly typename: 'Block'
  readonly name: SymbolNode
  readonly body: SyntaxNode
}
export interface SetNode extends Position {
  readonly typename: 'Set'
  readonly targets: readonly SyntaxNode[]
  readonly value: SyntaxNode | null
  readonly body?: SyntaxNode
}
export interface SwitchNode extends Position {
  readonly typename: 'Switch'
  readonly expr: SyntaxNode
  readonly cases: readonly { readonly cond: SyntaxNode; readonly body: ListNode }[]
  readonly default: SyntaxNode | null
}
export interface CaptureNode extends Position {
  readonly typename: 'Capture'
  readonly body: SyntaxNode
}
export interface BinaryNode extends Position {
  readonly typename:
    | 'In'
    | 'Is'
    | 'Or'
    | 'And'
    | 'Add'
    | 'Concat'
    | 'Sub'
    | 'Mul'
    | 'Div'
    | 'FloorDiv'
    | 'Mod'
    | 'Pow'
  readonly left: SyntaxNode
  readonly right: SyntaxNode
}
export interface UnaryNode extends Position {
  readonly typename: 'Not' | 'Neg' | 'Pos'
  readonly target: SyntaxNode
}
export interface CompareNode extends Position {
  readonly typename: 'Compare'
  readonly expr: SyntaxNode
  readonly ops: readonly { readonly expr: SyntaxNode; readonly type: string }[]
}
export interface FileNode extends Position {
  readonly typename: 'Extends' | 'Include' | 'Import' | 'FromImport'
  readonly template: SyntaxNode
  readonly ignoreMissing?: boolean | null
  readonly target?: SyntaxNode
  readonly names?: ListNode
}
export interface AsyncNode extends Position {
  readonly typename: 'AsyncEach' | 'AsyncAll' | 'IfAsync'
}

export type SyntaxNode =
  | ListNode
  | PairNode
  | DictNode
  | LiteralNode
  | SymbolNode
  | LookupNode
  | ConditionNode
  | ForNode
  | MacroNode
  | CallNode
  | FilterNode
  | BlockNode
  | SetNode
  | SwitchNode
  | CaptureNode
  | BinaryNode
  | UnaryNode
  | CompareNode
  | FileNode
  | AsyncNode

export interface Token extends Position {
  readonly type: string
  readonly value: unknown
}

export interface Tokens extends Position {
  readonly index: number
  nextToken(): Token | null
  forwardN(count: number): void
}

interface NunjucksInternals {
  readonly lexer: { lex(source: string): Tokens }
  readonly parser: { Parser: new (tokens: Tokens) => { parseAsRoot(): SyntaxNode } }
}

const { lexer, parser } = nunjucks as unknown as NunjucksInternals

/** What went wrong inside a template; the boundary turns it into a `template_error`. Line and column from 1. */
export class TemplateFault extends Error {
  readonly line: number | undefined
  readonly column: number | undefined

  constructor(message: string, line?: number, column?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.line = line
    this.column = column
  }
}

export function faultAt(node: Position, message: string): TemplateFault {
  return new TemplateFault(message, node.lineno + 1, node.colno + 1)
}

/** The lexer's own tokens, for code that cuts a template into tags and text. */
export function lexTemplate(source: string): Tokens {
  return lexer.lex(source)
}

/** Parses a template. Throws TemplateFault with line and column. */
export function parseTemplate(source: string): SyntaxNode {
  checkSource(source)
  const tokens = lexer.lex(source)
  try {
    return new parser.Parser(tokens).parseAsRoot()
  } catch (error) {
    throw syntaxFault(error, tokens)
  }
}

function checkSource(source: string): void {
  if (source.length > limits.sourceChars) {
    throw new TemplateFault(`the template is longer than ${limits.sourceChars} characters`, 1, 1)
  }
  // The parser trims around `{%-` with a pattern that is quadratic in the length of a run of white space.
  if (/\{[{%#]-/.test(source) && longestBlank(source) > limits.blankRunChars) {
    throw new TemplateFault(
      `more than ${limits.blankRunChars} blanks in a row, in a template that trims`,
      1,
      1,
    )
  }
}

function longestBlank(source: string): number {
  let longest = 0
  for (const match of source.matchAll(/\s+/g)) longest = Math.max(longest, match[0].length)
  return longest
}

function syntaxFault(error: unknown, tokens: Tokens): TemplateFault {
  const { lineno, colno } = error as { lineno?: number; colno?: number }
  const line = lineno ?? tokens.lineno + 1
  const column = colno ?? tokens.colno + 1
  if (error instanceof RangeError) return new TemplateFault('the template is nested too deeply', line, column)
  // The parser trips over `null` where the template ends inside a tag.
  if (error instanceof TypeError) return new TemplateFault('a tag is not complete', line, column, error)
  return new TemplateFault(messageOf(error), line, column)
}
