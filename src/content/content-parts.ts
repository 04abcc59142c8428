// The strings of a content, ready to be made for each recipient: compiled once, rendered and checked each time.
// Whatever a recipient's data does to a header is found here, as an error of that recipient alone.

import { FluxMailError } from '../errors.js'
import { parseHeaderValue, parseSubject, parseUnsubscribeUrl } from '../message/header.js'
import type { ComposedContent, LiteralContent, TemplateContent } from './content.js'
import type { BodyText } from './fixed-text.js'
import { inlineCss } from './inline-css.js'
import { compileTemplate } from './template.js'
import { errorAt } from './template-error.js'
import { TemplateFault } from './template-syntax.js'
import { closeGaps, textOfHtml, textOfTemplate } from './text-part.js'

type Variables = Readonly<Record<string, unknown>>
type Render = (variables: Variables) => string
type RenderBody = (variables: Variables) => BodyText

export interface ContentParts {
  readonly subject: Render
  readonly html: RenderBody | undefined
  readonly text: RenderBody
  readonly unsubscribeUrl: Render | undefined
  /** Further headers; an empty value leaves the header out. */
  readonly headers: readonly { readonly name: string; readonly value: Render }[]
}

/** Compiles the strings of a content. Throws `template_error` or `css_inline_failed`. */
export function compileParts(content: ComposedContent): ContentParts {
  return content.kind === 'literal' ? literalParts(content) : templateParts(content)
}

function literalParts(content: LiteralContent): ContentParts {
  const { html, text, unsubscribeUrl } = content
  const inlined = html !== undefined && content.inlineCss ? inlineCss(html, 'literal') : html
  const plain = text ?? (html === undefined ? '' : textOfHtml(html))
  return {
    subject: constant(content.subject),
    html: inlined === undefined ? undefined : constant(inlined),
    text: constant(plain),
    unsubscribeUrl: unsubscribeUrl === undefined ? undefined : constant(unsubscribeUrl),
    headers: content.headers.map(({ name, value }) => ({ name, value: constant(value) })),
  }
}

function constant(text: string): Render {
  return () => text
}

function templateParts(content: TemplateContent): ContentParts {
  const { unsubscribeUrl, headers } = content
  return {
    subject: line(content, 'subject', content.subject, (text) => parseSubject(text)),
    html: htmlPart(content),
    text: textPart(content),
    unsubscribeUrl:
      unsubscribeUrl === undefined
        ? undefined
        : line(content, 'unsubscribeUrl', unsubscribeUrl, (text) => parseUnsubscribeUrl(text)),
    headers: headers.map(({ name, value }) => ({
      name,
      value: line(content, `headers.${name}`, value, (text) =>
        text === '' ? '' : parseHeaderValue(text, name),
      ),
    })),
  }
}

/** A template whose output stands in a header: trimmed, then checked. */
function line(
  content: TemplateContent,
  name: string,
  source: string,
  check: (text: string) => string,
): Render {
  const { render } = compileTemplate(source, { ...strictness(content), autoescape: false, name })
  return (variables) => check(render(variables).trim())
}

function strictness(content: TemplateContent): { strict: boolean } {
  return { strict: content.strict ?? false }
}

function htmlPart(content: TemplateContent): RenderBody | undefined {
  if (content.html === undefined) return undefined
  const options = { ...strictness(content), autoescape: content.autoescape, name: 'html' }
  // Compiled as it was given first, so that a mistake is reported where its author sees it.
  const { renderBody } = compileTemplate(content.html, options)
  return content.inlineCss
    ? compileTemplate(inlineCss(content.html, 'template'), options).renderBody
    : renderBody
}

function textPart(content: TemplateContent): RenderBody {
  const { text, html } = content
  if (text !== undefined) {
    return compileTemplate(text, { ...strictness(content), autoescape: false, name: 'text' }).renderBody
  }
  const derived = html === undefined ? '' : derivedText(html)
  const options = { ...strictness(content), autoescape: false, plain: true, name: derivedName }
  const { render } = compileTemplate(derived, options)
  return (variables) => closeGaps(render(variables))
}

const derivedName = 'text (derived from html; give a text of its own to replace it)'

function derivedText(html: string): string {
  try {
    return textOfTemplate(html)
  } catch (error) {
    if (error instanceof FluxMailError || !(error instanceof TemplateFault)) throw error
    throw errorAt(
      { template: derivedName, line: error.line ?? 1, column: error.column ?? 1 },
      error.message,
      error.cause,
    )
  }
}
