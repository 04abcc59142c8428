// Templates: Nunjucks' language, compiled once, rendered for each recipient, unable to reach code or to run long.
// Whatever goes wrong in one is a `template_error` that names template, line and column.

import { FluxMailError, messageOf } from '../errors.js'
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
}

interface CompileOptions extends TemplateOptions {
  /** For text derived from HTML: `escape`, `nl2br` and `urlize` leave their input alone. */
  plain?: boolean
  origins?: readonly Origin[]
}

/** Compiles a self-contained template. Throws FluxMailError `template_error` for a syntax error. */
export function compileTemplate(source: string, options: CompileOptions = {}): CompiledTemplate {
  const { autoescape = true, strict = false, plain = false } = options
  const run = guarded(source, options, () => compiled(source, { autoescape, strict, plain }))
  return {
    render: (variables) => {
      const state = new RenderState(new Variables(variables, templateGlobals))
      return guarded(source, options, () => rendered(run, state), state)
    },
  }
}

function compiled(source: string, options: RenderOptions): Run {
  const constant = /\{[{%#]|#\}/.test(source) ? undefined : source
  if (constant !== undefined) return (state) => state.emit(constant)
  return compileTree(parseTemplate(source), options)
}

function rendered(run: Run, state: RenderState): string {
  run(state)
  return state.out
}

function guarded<Result>(
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

  /** Throws FluxMailError `template_error` for a syntax error, `invalid_params` if `source` is no string. */
  constructor(source: string, options: TemplateOptions = {}, origins: readonly Origin[] = []) {
    if (typeof source !== 'string') {
      throw new FluxMailError(
        'invalid_params',
        'the source of a template is not a string; to read a file use EmailTemplate.fromFile',
      )
    }
    this.source = source
    this.autoescape = options.autoescape ?? true
    this.strict = options.strict ?? false
    this.name = options.name
    this.compiled = compileTemplate(source, { ...options, origins })
  }

  /** Throws FluxMailError `template_error` if the template cannot be rendered with these variables. */
  render(context: Readonly<Record<string, unknown>> = {}): string {
    return this.compiled.render(context)
  }

  /**
   * Reads a template from a UTF-8 file, with all that it includes, imports and extends.
   * The names of those files are literal texts, looked up below `root`, or from the file's own folder if they
   * start with `./` or `../`. Imported macros become macros of the whole template.
   * Throws FluxMailError `read_error` or `template_error`.
   */
  static fromFile(path: string, options: TemplateFileOptions = {}): EmailTemplate {
    const { source, origins } = flattenFile(path, options.root)
    return new EmailTemplate(source, { ...options, name: options.name ?? path }, origins)
  }
}
