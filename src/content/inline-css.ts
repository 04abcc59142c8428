// Style rules into style attributes, once for each content and before any recipient's data is in it.
// Nothing is fetched: `@import` and linked style sheets stay as they are.

import juice from 'juice'
import { FluxMailError, messageOf } from '../errors.js'
import { refuseDeepHtml } from './html-depth.js'
import { type Protected, protectTags, restoreTags } from './template-placeholders.js'
import { TemplateFault } from './template-syntax.js'
import { cutTags, type Segment } from './template-tags.js'

const options: juice.Options & { removeInlinedSelectors: boolean } = {
  // What could not be inlined stays: `@media`, `:hover`, and classes that only a variable gives.
  removeStyleTags: false,
  removeInlinedSelectors: true,
  applyWidthAttributes: false,
  applyHeightAttributes: false,
  applyAttributesTableElements: false,
}

/**
 * Inlines the style sheet of an HTML document; of a template the source, with its tags kept whole.
 * `{{ }}` may stand in values of rules; `{% %}` inside `<style>` is refused, since it would be lost.
 * Throws FluxMailError `css_inline_failed`.
 */
export function inlineCss(html: string, kind: 'literal' | 'template'): string {
  refuseDeepHtml(html, 'css_inline_failed')
  try {
    return kind === 'literal' ? juice(html, options) : inlineTemplate(html)
  } catch (error) {
    if (error instanceof FluxMailError) throw error
    const place = error instanceof TemplateFault ? ` (line ${error.line}, column ${error.column})` : ''
    throw new FluxMailError(
      'css_inline_failed',
      `the styles could not be inlined${place}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

function inlineTemplate(source: string): string {
  const segments = cutTags(source)
  refuseTagsInStyles(segments)
  const hidden = protectTags(source, segments)
  const inlined = juice(hidden.html, options)
  refuseLostTags(inlined, hidden)
  return restoreTags(inlined, hidden)
}

function refuseTagsInStyles(segments: readonly Segment[]): void {
  let before = ''
  for (const segment of segments) {
    if (segment.kind === 'text') before = styleTail(before + segment.source)
    else if (segment.kind === 'block' && before !== '') {
      throw lost(segment, 'stands inside <style>')
    }
  }
}

/** The part of the text from a `<style>` that has not ended, or nothing. */
function styleTail(text: string): string {
  const open = text.toLowerCase().lastIndexOf('<style')
  return open !== -1 && !/<\/style/i.test(text.slice(open)) ? text.slice(open) : ''
}

function refuseLostTags(inlined: string, { tags, pattern }: Protected): void {
  const found = new Set([...inlined.matchAll(pattern)].map((match) => Number(match[1])))
  const missing = tags.find((tag, index) => tag.kind !== 'comment' && !found.has(index))
  if (missing) throw lost(missing, 'would be lost')
}

function lost(tag: Segment, what: string): FluxMailError {
  const place = `line ${tag.lineno + 1}, column ${tag.colno + 1}`
  return new FluxMailError(
    'css_inline_failed',
    `${place}: ${tag.source.slice(0, 60)} ${what} when styles are inlined; move it out of the style sheet or set inlineCss to false`,
    { details: { line: tag.lineno + 1, column: tag.colno + 1 } },
  )
}
