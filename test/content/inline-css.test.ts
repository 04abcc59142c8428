import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { inlineCss } from '../../src/content/inline-css.js'
import { refused } from './refused.js'

describe('inlined styles', () => {
  it('stand in style attributes, and what cannot stand there stays in a style element', () => {
    const html = inlineCss(
      '<style>p { color: red } a, a:hover { color: blue } @media (max-width: 9px) { p { color: green } }</style><p>x</p><a>y</a>',
      'literal',
    )
    expect(html).toContain('<p style="color: red;">x</p>')
    expect(html).toContain('<a style="color: blue;">y</a>')
    expect(html).toMatch(/<style>[\s\S]*a:hover[\s\S]*@media[\s\S]*green[\s\S]*<\/style>/)
    expect(html).not.toContain('p { color: red }')
  })

  it('leave the tags of a template as they were, wherever they stand', () => {
    const html = inlineCss(
      '{% set a = "<p>" %}<style>p { color: {{ color | default("}") }} }</style><p {% if x %}id="i"{% endif %} title="{{ "}}" }}">{# <p> #}{{ name }}</p>{% raw %}{{ y }}{% endraw %}<td class="a-{{ k }}">',
      'template',
    )
    for (const tag of [
      '{% set a = "<p>" %}',
      '{% if x %}',
      '{% endif %}',
      '{{ "}}" }}',
      '{# <p> #}',
      '{{ name }}',
      '{% raw %}{{ y }}{% endraw %}',
    ]) {
      expect(html.split(tag)).toHaveLength(2)
    }
    expect(html).toContain('style="color: {{ color | default("}") }};"')
    expect(html).toContain('class="a-{{ k }}"')
  })

  it('keep a rule for a class that only a variable gives', () => {
    expect(inlineCss('<style>.a-1 { color: red }</style><p class="a-{{ k }}">x</p>', 'template')).toMatch(
      /<style>\.a-1 \{\s*color: red;\s*\}<\/style>/,
    )
  })

  it('take braces of a literal body as text', () => {
    expect(inlineCss('<style>p { color: red }</style><p>{{ x }} {% y %}</p>', 'literal')).toContain(
      '<p style="color: red;">{{ x }} {% y %}</p>',
    )
  })

  it('are refused where a tag of the template would be lost', () => {
    for (const source of [
      '<p>x</p>\n<style>{% if a %}p { color: red }{% endif %}</style>',
      '\n<style>{{ rules }}</style><p>x</p>',
    ]) {
      const error = refused(() => inlineCss(source, 'template'))
      expect([error.code, error.message]).toEqual(['css_inline_failed', expect.stringContaining('line 2')])
    }
    expect(refused(() => inlineCss('<p>{{ x', 'template')).code).toBe('css_inline_failed')
  })

  it('are never fetched', async () => {
    let requests = 0
    const server = createServer((_, response) => {
      requests++
      response.end('p { color: red }')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.css`
    const html = inlineCss(
      `<link rel="stylesheet" href="${url}"><style>@import url("${url}");</style><p>x</p>`,
      'literal',
    )
    await new Promise((resolve) => server.close(resolve))
    expect(html).toContain('<p>x</p>')
    expect(requests).toBe(0)
  })
})
