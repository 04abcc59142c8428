import { describe, expect, it, test } from 'vitest'
import { compileTemplate } from '../../src/content/template.js'
import { closeGaps, textOfHtml, textOfTemplate } from '../../src/content/text-part.js'

function rendered(html: string, variables: Record<string, unknown>): string {
  return closeGaps(
    compileTemplate(textOfTemplate(html), { autoescape: false, plain: true }).render(variables),
  )
}

describe('the text derived from HTML', () => {
  it('keeps headings as they are written, links with their address, and no line is wrapped', () => {
    const long = 'word '.repeat(60).trim()
    expect(textOfHtml(`<h1>Big News</h1><p>${long}</p><a href="https://x.io/a">Read</a>`)).toBe(
      `Big News\n\n${long}\n\nRead [https://x.io/a]`,
    )
  })

  it('leaves out styles, scripts, titles and the sources of images', () => {
    expect(
      textOfHtml(
        '<head><title>T</title><style>p{}</style></head><body><script>x</script><p>a</p><img src="cid:x" alt="Logo"></body>',
      ),
    ).toBe('a\n\nLogo')
  })

  it('puts the rows of a table on lines of their own', () => {
    expect(textOfHtml('<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>')).toBe('a b\nc')
  })
})

test('a text is derived from all of the HTML, however long', () => {
  const word = `${'x'.repeat(9_999)} `
  expect(textOfHtml(`<p>${word.repeat(1_700)}end</p>`).endsWith('end')).toBe(true)
})

describe('the text derived from a template', () => {
  const html = `<!doctype html><html lang="{{ lang }}"><head>{% set brand = "Acme" %}<title>{{ brand }}</title></head>
    <body {% if dark %}class="dark"{% endif %}>
    <h1>Hello {{ name | default("you > all") }}</h1>
    {% if vip %}<p>Very {{ kind }}</p>{% endif %}
    <ul>{% for item in items %}<li><a href="{{ item.url }}">{{ item.name }}</a></li>{% endfor %}</ul>
    <p>Yours, {{ brand }}</p></body></html>`

  it('renders what the HTML renders, without escaping', () => {
    const variables = {
      name: 'Ada & <Co>',
      vip: true,
      kind: '"kind"',
      items: [{ url: 'https://x.io/?a=1&b=2', name: "O'Hara" }],
    }
    expect(rendered(html, variables)).toBe(
      'Hello Ada & <Co>\n\nVery "kind"\n\n * O\'Hara [https://x.io/?a=1&b=2]\n\nYours, Acme',
    )
  })

  it('leaves no gap where a condition is not met or a list is empty', () => {
    expect(rendered(html, { items: [] })).toBe('Hello you > all\n\nYours, Acme')
  })

  it('takes filters for HTML as if they were not there', () => {
    expect(
      rendered('<p>{{ a | escape }} {{ a | e }} {{ b | nl2br }} {{ a | forceescape }}</p>', {
        a: '<',
        b: 'x\ny',
      }),
    ).toBe('< < x\ny <')
  })

  it('takes braces that stood in the HTML as entities for text', () => {
    expect(rendered('<p>&#123;&#123; x }} &#123;% y %} &#123;# z #&#125; &#123;{{ a }}</p>', { a: 1 })).toBe(
      '{{ x }} {% y %} {# z #} {1',
    )
  })

  it('keeps macros, raw text and comments', () => {
    expect(
      rendered(
        '{% macro b(t) %}<a href="https://x.io/{{ t }}">{{ t }}</a>{% endmacro %}{# c #}<p>{{ b("go") }} {% raw %}{{ r }}{% endraw %}</p>',
        {},
      ),
    ).toBe('go [https://x.io/go] {{ r }}')
  })
})
