// Templates: Nunjucks' language, compiled once, rendered for each recipient, unable to reach code or to run long.
// Whatever goes wrong in one is a `template_error` that names template, line and column.

import { FluxMailError, guarded, messageOf } from '../errors.js'
import { parseFlag } from '../message/body.js'
import { fieldError, kindOf } from '../message/field-error.js'
import { readKnownFields } from '../message/known-fields.js'
import { type BodyText, type FixedText, fixedText } from './fixed-text.js'
import type { RenderOptions, Run } from './template-compiler.js'
import { errorAt } from './template-error.js'
import { flattenFile } from './template-files.js'
import { templateGlobals } from './template-globals.js'
import { type Origin, originOf } from './template-origin.js'
import { RenderState, Variables } from './template-state.js'
import { compileTree } from './template-statements.js'
import { parseTemplate, TemplateFault } from './template-syntax.js'

export interface TemplateOptions {
  /** Whether the values of variables are HTML-escaped. Default true; set it to false for plain text. */
  autoescape?: boolean
  /** Whether an unknown variable is an error. Default false: it is empty. */
  strict?: boolean
  /** What errors call this template. Default `template`, or the path of the file. */
  name?: string
}

export interface TemplateFileOptions extends TemplateOptions {
  /** Folder that includes and parents are looked up in and may not leave. Default: that of the file. */
  root?: string
}

export interface CompiledTemplate {
  /** Throws FluxMailError `template_error`. */
  render(variables: Readonly<Record<string, unknown>>): string
  /** The same, as pieces of which those that stand in every message are encoded once. */
  renderBody(variables: Readonly<Record<string, unknown>>): BodyText
}

interface CompileOptions extends TemplateOptions {
  /** For text derived from HTML: `escape`, `nl2br` and `urlize` leave their input alone. */
  plain?: boolean
  origins?: readonly Origin[]
}

/** Compiles a self-contained template. Throws FluxMailError `template_error` for a syntax error. */
export function compileTemplate(source: string, options: CompileOptions = {}): CompiledTemplate {
  const { autoescape = true, strict = false, plain = false } = options
  const run = located(source, options, () => compiled(source, { autoescape, strict, plain }))
  const start = (variables: Readonly<Record<string, unknown>>) =>
    new RenderState(new Variables(variables, templateGlobals))
  return {
    render: (variables) => {
      const state = start(variables)
      return located(source, options, () => rendered(run, state), state)
    },
    renderBody: (variables) => {
      const state = start(variables)
      return located(source, options, () => renderedBody(run, state), state)
    },
  }
}

function compiled(source: string, options: RenderOptions): Run {
  const constant = /\{[{%#]|#\}/.test(source) ? undefined : source
  if (constant === undefined) return compileTree(parseTemplate(source), options)
  const fixed = fixedText(constant)
  return (state) => state.emitFixed(fixed)
}

function rendered(run: Run, state: RenderState): string {
  run(state)
  return state.out
}

function renderedBody(run: Run, state: RenderState): BodyText {
  const pieces: (string | FixedText)[] = []
  state.pieces = pieces
  run(state)
  return pieces
}

function located<Result>(
  source: string,
  options: CompileOptions,
  work: () => Result,
  state?: RenderState,
): Result {
  try {
    return work()
  } catch (error) {
    throw templateError(error, source, options, state)
  }
}

function templateError(
  error: unknown,
  source: string,
  options: CompileOptions,
  state: RenderState | undefined,
): FluxMailError {
  const fault = error instanceof TemplateFault ? error : undefined
  const line = fault?.line ?? state?.line ?? 1
  const column = fault?.column ?? state?.column ?? 1
  const place = originOf(options.origins ?? [], source, line, column)
  return errorAt(
    { template: options.name ?? 'template', line, column, ...place },
    reasonOf(error),
    fault?.cause ?? error,
  )
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError && /call stack/.test(error.message))
    return 'the template is nested too deeply'
  return messageOf(error)
}

/** A template of the app's own. Immutable; `source` is self-contained even if it came from several files. */
export class EmailTemplate {
  readonly source: string
  readonly autoescape: boolean
  readonly strict: boolean
  readonly name: string | undefined
  private readonly compiled: CompiledTemplate

  /** Throws FluxMailError `template_error` for a syntax error, `invalid_params` for a source or an option that is none. */
  constructor(source: string, options: TemplateOptions = {}, origins: readonly Origin[] = []) {
    if (typeof source !== 'string') {
      throw new FluxMailError(
        'invalid_params',
        'the source of a template is not a string; to read a file use EmailTemplate.fromFile',
      )
    }
    const { autoescape, strict, name } = parseOptions(options, ['autoescape', 'strict', 'name'])
    this.source = source
    this.autoescape = autoescape ?? true
    this.strict = strict ?? false
    this.name = name
    this.compiled = compileTemplate(source, { ...shared(this), origins })
  }

  /**
   * Throws FluxMailError `template_error` if the template cannot be rendered with these variables, `invalid_params`
   * if they are no object.
   */
  render(context: Readonly<Record<string, unknown>> = {}): string {
    if (typeof context !== 'object' || context === null) {
      throw fieldError('invalid_params', 'context', `it is ${kindOf(context)}`, 'Give an object of variables')
    }
    return guarded('template_error', 'a variable', () => this.compiled.render(context))
  }

  /**
   * Reads a template from a UTF-8 file, with all that it includes, imports and extends.
   * The names of those files are literal texts, looked up below `root`, or from the file's own folder if they
   * start with `./` or `../`. Imported macros become macros of the whole template.
   * Throws FluxMailError `read_error`, `template_error` or `invalid_params`.
   */
  static fromFile(path: string, options: TemplateFileOptions = {}): EmailTemplate {
    const { root, ...own } = parseOptions(options, ['autoescape', 'strict', 'name', 'root'])
    const { source, origins } = flattenFile(textOption(path, 'path'), root)
    return new EmailTemplate(source, { ...own, name: own.name ?? path }, origins)
  }
}

function shared({ autoescape, strict, name }: EmailTemplate): TemplateOptions {
  return { autoescape, strict, ...(name === undefined ? {} : { name }) }
}

function parseOptions(input: unknown, known: readonly string[]): TemplateFileOptions {
  const given = readKnownFields(input, { path: 'options', known })
  return {
    ...(given.autoescape === undefined ? {} : { autoescape: parseFlag(given.autoescape, 'autoescape') }),
    ...(given.strict === undefined ? {} : { strict: parseFlag(given.strict, 'strict') }),
    ...(given.name === undefined ? {} : { name: textOption(given.name, 'name') }),
    ...(given.root === undefined ? {} : { root: textOption(given.root, 'root') }),
  }
}

function textOption(input: unknown, name: string): string {
  if (typeof input === 'string') return input
  throw fieldError('invalid_params', name, `it is ${kindOf(input)}, not a string`, 'Give a string')
}
