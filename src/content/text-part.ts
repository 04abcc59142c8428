// The text part of an HTML email that was given none: derived from the HTML, of a template once from its source.
// The tags of a template are moved as a whole; nothing is wrapped or put into capitals.

import { convert, type FormatCallback, type HtmlToTextOptions } from 'html-to-text'
import { guarded } from '../errors.js'
import { refuseDeepHtml } from './html-depth.js'
import { type Protected, protectTags, restoreTags } from './template-placeholders.js'
import { cutTags } from './template-tags.js'

const altText: FormatCallback = (element, _walk, builder) => {
  builder.addInline(String(element.attribs?.alt ?? ''))
}

const headings = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({
  selector,
  options: { uppercase: false, leadingLineBreaks: 2, trailingLineBreaks: 2 },
}))

const options: HtmlToTextOptions = {
  wordwrap: false,
  // Past 16 MB it would leave the rest out and warn on the console.
  limits: { maxInputLength: Number.MAX_SAFE_INTEGER },
  formatters: { altText },
  selectors: [
    { selector: 'head', format: 'skip' },
    { selector: 'title', format: 'skip' },
    { selector: 'style', format: 'skip' },
    { selector: 'script', format: 'skip' },
    { selector: 'img', format: 'altText' },
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true, noAnchorUrl: true } },
    { selector: 'table', format: 'block' },
    { selector: 'tr', format: 'block', options: { leadingLineBreaks: 1, trailingLineBreaks: 1 } },
    { selector: 'td', format: 'inlineSurround', options: { suffix: ' ' } },
    { selector: 'th', format: 'inlineSurround', options: { suffix: ' ' } },
    ...headings,
  ],
}

/** Text for an HTML document. Throws `invalid_params` for one that is nested too deeply. */
export function textOfHtml(html: string): string {
  return tidyText(converted(html))
}

/** A template of the text for a template of HTML; to be rendered without escaping. Throws TemplateFault. */
export function textOfTemplate(source: string): string {
  const hidden = protectTags(source, cutTags(source))
  const text = tidyText(converted(withoutShell(hidden)))
  return restoreTags(joinLines(escapeBraces(text, hidden), hidden), hidden)
}

function converted(html: string): string {
  const where = 'the HTML, from which a text is derived where none is given,'
  refuseDeepHtml(html, 'invalid_params')
  return guarded('invalid_params', where, () => convert(html, options))
}

function tidyText(text: string): string {
  return closeGaps(text.replace(/[ \t]+$/gm, ''))
}

/** No more than one empty line in a row, and none at either end. */
export function closeGaps(text: string): string {
  const trimmed = text.trim()
  return trimmed.includes('\n\n\n') ? trimmed.replace(/\n{3,}/g, '\n\n') : trimmed
}

/** What stands around the body holds no text, but its tags may set variables or open conditions. */
function withoutShell(hidden: Protected): string {
  return hidden.html
    .replace(/<head\b[^>]*>([\s\S]*?)<\/head\s*>/i, (_, head: string) => blockTags(head, hidden))
    .replace(/<!doctype[^>]*>|<\/?(?:html|body)\b[^>]*>/gi, '')
}

function blockTags(html: string, { tags, pattern }: Protected): string {
  const words = html.match(pattern) ?? []
  return words.filter((word) => tags[tagNumber(word)]?.kind === 'block').join('')
}

function tagNumber(word: string): number {
  return Number(/\d+/.exec(word)?.[0])
}

/** Braces that stood in the HTML as entities must not become tags. */
function escapeBraces(text: string, { pattern }: Protected): string {
  const word = pattern.source.replace('(?:="")?', '').replace('(\\d+)', '\\d+')
  return text.replace(
    new RegExp(`\\{\\{|\\{%|\\{#|#\\}|\\{(?=${word})`, 'gi'),
    (braces) => `{{ "${braces}" }}`,
  )
}

/** A line of nothing but `{% %}` would render as an empty one, so the next line comes up to it. */
function joinLines(text: string, { tags }: Protected): string {
  let joined = ''
  for (const line of text.split('\n')) joined += onlyBlocks(line, tags) ? line.trim() : `${line}\n`
  return joined.trimEnd()
}

function onlyBlocks(line: string, tags: Protected['tags']): boolean {
  if (!/^\s*(?:fluxtagq*\d+z\s*)+$/.test(line)) return false
  return (line.match(/fluxtagq*\d+z/g) ?? []).every((word) => tags[tagNumber(word)]?.kind !== 'output')
}
