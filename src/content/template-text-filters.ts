// Filters that take a text or a number and give one.
// Patterns here are linear: no recipient's data may make a filter slow.

import { escapeHtml, type Filter, type FilterCall, htmlOf, textual } from './template-filter.js'
import { SafeText } from './template-state.js'
import { numberOf, plainText, textOf } from './template-values.js'

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).toLowerCase()
}

function spaces(count: number, call: FilterCall): string {
  const whole = Number.isFinite(count) ? Math.max(0, Math.floor(count)) : 0
  call.fuel.spend(whole / 16)
  return ' '.repeat(whole)
}

function center(text: string, call: FilterCall, width: unknown): string {
  const missing = (width === undefined ? 80 : numberOf(width)) - text.length
  if (!(missing > 0)) return text
  const left = Math.floor(missing / 2)
  return spaces(left, call) + text + spaces(missing - left, call)
}

function indent(text: string, call: FilterCall, width: unknown, first: unknown): string {
  const margin = spaces(width === undefined ? 4 : numberOf(width), call)
  const lines = text.split('\n')
  call.fuel.spend((lines.length * margin.length) / 16)
  return lines.map((line, index) => (index === 0 && !first ? line : margin + line)).join('\n')
}

function truncate(text: string, _: FilterCall, length: unknown, killWords: unknown, end: unknown): string {
  const limit = length === undefined ? 255 : numberOf(length)
  if (text.length <= limit) return text
  const space = text.lastIndexOf(' ', limit)
  const kept = killWords || space === -1 ? text.slice(0, limit) : text.slice(0, space)
  return kept + (end === undefined || end === null ? '...' : plainText(end))
}

const replace: Filter = {
  run: (call, input, old, by, most) => {
    const text = call.fuel.text(textOf(input, call.fuel))
    const safe = input instanceof SafeText
    const insert = safe ? htmlOf(by, call.fuel) : textOf(by, call.fuel)
    const changed = replaced(text, plainText(old), insert, most === undefined ? -1 : numberOf(most), call)
    return safe ? new SafeText(changed) : changed
  },
}

function replaced(text: string, old: string, insert: string, most: number, call: FilterCall): string {
  const pieces = text.split(old, most < 0 ? undefined : text.length + 1)
  call.fuel.spend(pieces.length + (text.length * old.length) / 1024 + (pieces.length * insert.length) / 16)
  if (old === '') return `${insert}${pieces.join(insert)}${insert}`
  if (most < 0 || pieces.length - 1 <= most) return pieces.join(insert)
  return [pieces.slice(0, most + 1).join(insert), ...pieces.slice(most + 1)].join(old)
}

function withoutTags(text: string): string {
  let kept = ''
  let from = 0
  for (let open = text.indexOf('<'); open !== -1; open = text.indexOf('<', from)) {
    const comment = text.startsWith('<!--', open)
    const close = text.indexOf(comment ? '-->' : '>', open)
    // Without an end there is no further tag either, so this is looked for once only.
    if (close === -1) break
    const tag = comment || /^<\/?[a-z]/i.test(text.slice(open, open + 3))
    kept += text.slice(from, tag ? open : open + 1)
    from = tag ? close + (comment ? 3 : 1) : open + 1
  }
  return kept + text.slice(from)
}

function striptags(text: string, _: FilterCall, keepLines: unknown): string {
  const bare = withoutTags(text).trim()
  if (!keepLines) return bare.split(/\s+/).join(' ')
  const lines = bare.split(/\r?\n/).map((line) => line.trim().split(/ +/).join(' '))
  return lines.filter((line, index) => line !== '' || lines[index - 1] !== '').join('\n')
}

/** A filter that makes HTML of a text; it leaves the text alone where the output is plain. */
function marking(mark: (html: string, ...args: unknown[]) => string): Filter {
  return {
    run: (call, input, ...args) => {
      if (call.options.plain) return input
      if (!call.options.autoescape) return call.fuel.text(mark(textOf(input, call.fuel), ...args))
      return new SafeText(call.fuel.text(mark(htmlOf(input, call.fuel), ...args)))
    },
  }
}

function linked(word: string, length: unknown, nofollow: unknown): string {
  const target = /^https?:\/\//.test(word) ? word : /^www\./.test(word) ? `http://${word}` : undefined
  if (target === undefined) return word
  const rel = nofollow === true ? ' rel="nofollow"' : ''
  const shown = length === undefined ? word : word.slice(0, numberOf(length))
  return `<a href="${target}"${rel}>${shown}</a>`
}

function urlencode(call: FilterCall, input: unknown): string {
  if (typeof input !== 'object' || input === null || input instanceof SafeText) {
    return encoded(textOf(input, call.fuel))
  }
  const pairs = Array.isArray(input) ? input : Object.entries(input)
  call.fuel.spend(pairs.length)
  return pairs
    .map(([key, value]) => `${encoded(textOf(key, call.fuel))}=${encoded(textOf(value, call.fuel))}`)
    .join('&')
}

function encoded(text: string): string {
  // Lone surrogates make encodeURIComponent throw.
  return encodeURIComponent(Buffer.from(text).toString())
}

function rounded(input: unknown, precision: unknown, way: unknown): number {
  const factor = 10 ** (precision === undefined ? 0 : numberOf(precision))
  const scaled = numberOf(input) * factor
  if (way === 'ceil') return Math.ceil(scaled) / factor
  return (way === 'floor' ? Math.floor(scaled) : Math.round(scaled)) / factor
}

function orDefault(value: number, fallback: unknown): unknown {
  return Number.isNaN(value) ? fallback : value
}

const escaping: Filter = {
  run: (call, input) => (call.options.plain ? input : new SafeText(htmlOf(input, call.fuel))),
}

const fallback: Filter = {
  acceptsUndefined: true,
  run: (_, input, value, whenFalsy) => (input === undefined || (whenFalsy && !input) ? value : input),
}

export const textFilters: Readonly<Record<string, Filter>> = {
  abs: { run: (_, input) => Math.abs(numberOf(input)) },
  capitalize: textual(capitalized),
  center: textual(center),
  d: fallback,
  default: fallback,
  dump: { run: (call, input, width) => dumped(call, input, width) },
  e: escaping,
  escape: escaping,
  float: { run: (_, input, other) => orDefault(Number.parseFloat(String(numberText(input))), other) },
  forceescape: {
    run: (call, input) =>
      call.options.plain ? input : new SafeText(call.fuel.text(escapeHtml(textOf(input, call.fuel)))),
  },
  indent: textual(indent),
  int: {
    parameters: ['default', 'base'],
    run: (_, input, other, base) =>
      orDefault(Number.parseInt(numberText(input), base === undefined ? 10 : numberOf(base)), other),
  },
  lower: textual((text) => text.toLowerCase()),
  nl2br: marking((html) => html.replace(/\r\n|\n/g, '<br />\n')),
  replace,
  round: { run: (_, input, precision, way) => rounded(input, precision, way) },
  safe: { run: (call, input) => new SafeText(textOf(input, call.fuel)) },
  string: textual((text) => text),
  striptags: textual(striptags),
  title: textual((text) => text.split(' ').map(capitalized).join(' ')),
  trim: textual((text) => text.trim()),
  truncate: textual(truncate),
  upper: textual((text) => text.toUpperCase()),
  urlencode: { run: (call, input) => call.fuel.text(urlencode(call, input)) },
  urlize: marking((html, length, nofollow) =>
    html
      .split(/(\s+)/)
      .map((word) => linked(word, length, nofollow))
      .join(''),
  ),
  wordcount: { run: (call, input) => (textOf(input, call.fuel).match(/\w+/g) ?? []).length },
}

function numberText(input: unknown): string {
  return input instanceof SafeText ? input.text : typeof input === 'object' ? '' : String(input)
}

function dumped(call: FilterCall, input: unknown, width: unknown): string {
  // A list may hold itself many times over, so that every value is paid for as it is written.
  const pay = (_: string, value: unknown): unknown => {
    call.fuel.spend(1 + (typeof value === 'string' ? value.length / 16 : 0))
    return value instanceof SafeText ? value.text : value
  }
  return call.fuel.text(JSON.stringify(input, pay, width === undefined ? 0 : numberOf(width)) ?? '')
}
