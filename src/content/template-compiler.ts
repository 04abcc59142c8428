// What the two halves of the template compiler share: expressions ask statements for bodies through this.

import type { RenderState } from './template-state.js'
import type { MacroNode, SyntaxNode } from './template-syntax.js'

export type Evaluate = (state: RenderState) => unknown
export type Run = (state: RenderState) => void

export interface RenderOptions {
  /** Whether outputs are HTML-escaped. */
  readonly autoescape: boolean
  /** Whether an unknown variable is an error where its value is used; else it is empty. */
  readonly strict: boolean
  /** For text derived from HTML: filters that make HTML of text leave it alone. */
  readonly plain: boolean
}

export interface TemplateCompiler {
  readonly options: RenderOptions
  body(node: SyntaxNode): Run
  macro(node: MacroNode): Evaluate
}
