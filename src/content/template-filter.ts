// The shape of a template filter, and what filters share.

import type { RenderOptions } from './template-compiler.js'
import { type Fuel, type RenderState, SafeText } from './template-state.js'
import { textOf } from './template-values.js'

export interface FilterCall {
  readonly fuel: Fuel
  readonly options: RenderOptions
  readonly state: RenderState
}

export interface Filter {
  readonly run: (call: FilterCall, input: unknown, ...args: unknown[]) => unknown
  /** Names under which the arguments may be given too. */
  readonly parameters?: readonly string[]
  /** In strict mode too an unknown variable may come in. */
  readonly acceptsUndefined?: boolean
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '"': '&quot;',
  "'": '&#39;',
  '<': '&lt;',
  '>': '&gt;',
}

export function escapeHtml(text: string): string {
  return /[&"'<>]/.test(text)
    ? text.replace(/[&"'<>]/g, (character) => escapes[character] ?? character)
    : text
}

/** A value as HTML: safe text as it is, anything else escaped. */
export function htmlOf(value: unknown, fuel: Fuel): string {
  return value instanceof SafeText ? value.text : fuel.text(escapeHtml(textOf(value, fuel)))
}

/** A filter from text to text; what was safe before stays safe. */
export function textual(change: (text: string, call: FilterCall, ...args: unknown[]) => string): Filter {
  return {
    run: (call, input, ...args) => {
      const text = call.fuel.text(textOf(input, call.fuel))
      const changed = call.fuel.text(change(text, call, ...args))
      return input instanceof SafeText ? new SafeText(changed) : changed
    },
  }
}
