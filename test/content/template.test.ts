import { describe, expect, it } from 'vitest'
import { compileTemplate, EmailTemplate } from '../../src/content/template.js'
import { refused } from './refused.js'

function render(source: string, variables: Record<string, unknown> = {}, autoescape = false): string {
  return compileTemplate(source, { autoescape }).render(variables)
}

const people = [
  { name: 'Ada', age: 36, vip: true },
  { name: 'bob', age: 20, vip: false },
  { name: 'Cy', age: 28, vip: true },
]

describe('the language of templates', () => {
  it.each([
    ['Hi {{ name }}!', 'Hi Ada!'],
    ['{{ person.name }} {{ person["age"] }} {{ people[1].name }}', 'Ada 36 bob'],
    ['{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 5 }} {{ -age }}', '5 3 3 32 -7'],
    ['{{ "a" + 1 }} {{ "a" ~ 1 ~ none }} {{ "x" if age > 6 else "y" }}', 'a1 a1 x'],
    ['{{ "Ad" in name }} {{ 2 in [1, 2] }} {{ "name" in person }} {{ 3 not in [1] }}', 'true true true true'],
    [
      '{{ age == "7" }} {{ age === "7" }} {{ age != 8 }} {{ age <= 7 and not (age < 7) }}',
      'true false true true',
    ],
    ['{% if age > 9 %}a{% elif age == 7 %}b{% else %}c{% endif %}', 'b'],
    [
      '{% for p in people %}{{ loop.index }}/{{ loop.length }}:{{ p.name }}{% if not loop.last %}, {% endif %}{% endfor %}',
      '1/3:Ada, 2/3:bob, 3/3:Cy',
    ],
    ['{% for k, v in { a: 1, b: 2 } %}{{ k }}={{ v }};{% endfor %}', 'a=1;b=2;'],
    ['{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }} {% endfor %}', '1-2 3-4 '],
    ['{% for x in [] %}x{% else %}none{% endfor %}', 'none'],
    ['{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{% endfor %}{{ x }}', '4'],
    ['{% set x %}<b>{{ name }}</b>{% endset %}{{ x }}', '<b>Ada</b>'],
    [
      '{% macro f(a, b=2) %}[{{ a }},{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=5, a=4) }}',
      '[1,2][1,3][4,5]',
    ],
    [
      '{% macro box() %}<{{ caller() }}>{% endmacro %}{% for i in [1, 2] %}{% call box() %}{{ i }}{% endcall %}{% endfor %}',
      '<1><2>',
    ],
    ['{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}', 'b'],
    ['{% switch age %}{% case 6 %}six{% case 7 %}{% case 8 %}some{% default %}other{% endswitch %}', 'some'],
    ['{% filter upper %}a{{ name }}{% endfilter %}', 'AADA'],
    ['{% block a %}in {{ name }}{% endblock %}', 'in Ada'],
    ['{% raw %}{{ x }}{% endraw %}{# no #}', '{{ x }}'],
    ['a  {%- if 1 -%}  b  {%- endif -%}  c', 'abc'],
    ['{{ range(3) }} {{ range(4, 0, -2) }}', '0,1,2 4,2'],
    ['{% set c = cycler("x", "y") %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}', 'xyxx'],
    ['{% set j = joiner("|") %}{{ j() }}a{{ j() }}b', 'a|b'],
    [
      '{{ name is defined }} {{ nope is defined }} {{ nope is undefined }} {{ age is odd }} {{ 8 is divisibleby(4) }}',
      'true false true true true',
    ],
    [
      '{{ name.toUpperCase() }} {{ "a,b".split(",").join("-") }} {{ price.toFixed(2) }} {{ people.length }}',
      'ADA a-b 9.50 3',
    ],
  ])('renders %s', (source, expected) => {
    const variables = { name: 'Ada', age: 7, price: 9.5, person: people[0], people }
    expect(render(source, variables)).toBe(expected)
  })

  it.each([
    [
      '{{ "ab cd" | capitalize }}|{{ "ab cd" | title }}|{{ "Ab" | upper }}|{{ "Ab" | lower }}',
      'Ab cd|Ab Cd|AB|ab',
    ],
    ['{{ " a " | trim }}|{{ "a" | center(5) }}|{{ "a\nb" | indent(2) }}', 'a|  a  |a\n  b'],
    ['{{ "hello world" | truncate(7) }}|{{ "hello" | truncate(3, true, "") }}', 'hello...|hel'],
    [
      '{{ "aXbX" | replace("X", "-") }}|{{ "aXbX" | replace("X", "-", 1) }}|{{ "ab" | replace("", ".") }}',
      'a-b-|a-bX|.a.b.',
    ],
    ['{{ "<p>a <b>b</b></p> < 1" | striptags }}', 'a b < 1'],
    ['{{ "a b&c" | urlencode }}|{{ { a: "1 2", b: 3 } | urlencode }}', 'a%20b%26c|a=1%202&b=3'],
    [
      '{{ 3.14159 | round(2) }}|{{ 2.1 | round(0, "ceil") }}|{{ -2 | abs }}|{{ "7x" | int }}|{{ "x" | int(5) }}|{{ "1.5" | float }}',
      '3.14|3|2|7|5|1.5',
    ],
    ['{{ nope | default("d") }}|{{ "" | default("d") }}|{{ "" | default("d", true) }}', 'd||d'],
    [
      '{{ [3, 1, 2] | sort }}|{{ [3, 1, 2] | sort(reverse=true) }}|{{ people | sort(attribute="age") | join(",", "name") }}',
      '1,2,3|3,2,1|bob,Cy,Ada',
    ],
    [
      '{{ people | selectattr("vip") | join(",", "name") }}|{{ people | rejectattr("vip") | length }}',
      'Ada,Cy|1',
    ],
    ['{{ [1, 2, 3, 4] | select("even") }}|{{ [1, 0, 2] | reject }}', '2,4|0'],
    [
      '{% for vip, all in people | groupby("vip") %}{{ vip }}:{{ all | length }} {% endfor %}',
      'true:2 false:1 ',
    ],
    [
      '{% for row in [1, 2, 3] | batch(2, 0) %}{{ row }};{% endfor %}{% for part in [1, 2, 3] | slice(2) %}{{ part }};{% endfor %}',
      '1,2;3,0;1,2;3;',
    ],
    [
      '{{ [1, 2] | first }}{{ [1, 2] | last }}{{ [1, 2] | reverse }}{{ "ab" | reverse }}{{ [1, 2] | sum }}{{ people | sum("age") }}',
      '122,1ba384',
    ],
    ['{{ "abc" | length }}{{ people | length }}{{ { a: 1 } | length }}{{ nope | length }}', '3310'],
    ['{{ { b: 1, a: 2 } | dictsort | first }}|{{ "ab" | list }}|{{ "one two" | wordcount }}', 'a,2|a,b|2'],
    ['{{ { a: [1, "x"] } | dump }}', '{"a":[1,"x"]}'],
  ])('filters %s', (source, expected) => {
    expect(render(source, { people })).toBe(expected)
  })
})

describe('escaping', () => {
  it('is on by default, and marked text is not escaped again', () => {
    const template = new EmailTemplate(
      '{{ name }}{{ name | safe }}{{ name | escape }}{% set x %}{{ name }}{% endset %}{{ x }}',
    )
    expect(template.render({ name: '<&\'">' })).toBe(
      `&lt;&amp;&#39;&quot;&gt;<&'">&lt;&amp;&#39;&quot;&gt;&lt;&amp;&#39;&quot;&gt;`,
    )
  })

  it('holds where data goes into marked text', () => {
    expect(render('{{ "<b>x</b>" | safe | replace("x", name) }}', { name: '<i>' }, true)).toBe(
      '<b>&lt;i&gt;</b>',
    )
    expect(render('{{ name | nl2br }}', { name: '<i>\nx' }, true)).toBe('&lt;i&gt;<br />\nx')
    expect(render('{{ name | urlize }}', { name: 'see https://x.io/?a="b' }, true)).toBe(
      'see <a href="https://x.io/?a=&quot;b">https://x.io/?a=&quot;b</a>',
    )
    expect(render('{{ [name, name] | join("<") }}', { name: '>' }, true)).toBe('&gt;&lt;&gt;')
  })

  it('is off for a template that says so', () => {
    expect(new EmailTemplate('{{ a }}', { autoescape: false }).render({ a: '<' })).toBe('<')
  })
})

describe('unknown variables', () => {
  it('are empty by default, however deep', () => {
    expect(render('[{{ a }}{{ a.b.c }}{% for x in a %}x{% endfor %}{{ a | upper }}]')).toBe('[]')
  })

  it('are an error in strict mode wherever their value is used, and not where it is only asked about', () => {
    const strict = (source: string) => new EmailTemplate(source, { strict: true }).render({ x: {} })
    for (const source of [
      '{{ a }}',
      '{{ x.b }}',
      '{{ a | upper }}',
      '{{ a ~ "b" }}',
      '{% for i in a %}{% endfor %}',
    ]) {
      expect(refused(() => strict(source)).message).toMatch(/line 1, column \d+: "(?:a|x\.b)" is not defined/)
    }
    expect(strict('{% if a %}1{% endif %}{{ a is defined }}{{ a | default("d") }}{{ x.b or "e" }}')).toBe(
      'falsede',
    )
  })
})

describe('an error in a template', () => {
  it.each([
    ['a\nb {{ x', 2, 'expected variable end'],
    ['\n {{ x | nosuch }}', 2, 'there is no filter "nosuch"'],
    ['{{ x is nosuch }}', 1, 'there is no test "nosuch"'],
    ['{% if x %}', 1, 'endif'],
    ['{% nosuch %}', 1, 'unknown block tag: nosuch'],
    ['ab #}', 1, 'unexpected end of comment'],
    ['\n\n{# x', 3, 'end of comment'],
    ['{% include "x.html" %}', 1, 'EmailTemplate.fromFile'],
    ['{% asyncEach i in x %}{% endeach %}', 1, 'not allowed'],
    ['{{ "a" | replace(r/a/, "b") }}', 1, 'regular expressions are not allowed'],
  ])('of syntax, %j, names template, line and reason when it is compiled', (source, line, reason) => {
    const error = refused(() => new EmailTemplate(source, { name: 'news' }))
    expect(error.code).toBe('template_error')
    expect(error.message).toMatch(new RegExp(`^template "news", line ${line}, column \\d+: `))
    expect(error.message).toContain(reason)
    expect(error.details).toMatchObject({ template: 'news', line })
  })

  it.each([
    ['a\n\n  {{ x() }}', 3, 'there is no function "x"'],
    ['\n{{ [1] | batch(0) }}', 2, 'the filter "batch" needs a number from 1'],
    ['\n{{ { a: 1 } }}', 2, 'an object stands where a text is needed'],
    ['\n\n{{ fails() }}', 3, 'out of order'],
    ['{{ fails }}', 1, 'a function stands where a text is needed'],
  ])('at render time, %j, names line and reason', (source, line, reason) => {
    const fails = () => {
      throw new Error('out of order')
    }
    const error = refused(() => render(source, { fails }))
    expect(error.code).toBe('template_error')
    expect(error.message).toContain(reason)
    expect(error.details).toMatchObject({ template: 'template', line })
  })

  it('leaves the template usable for the next recipient', () => {
    const template = new EmailTemplate('{% for i in items %}{{ i.a() }}{% endfor %}ok')
    expect(refused(() => template.render({ items: [{}] })).code).toBe('template_error')
    expect(template.render({ items: [] })).toBe('ok')
  })

  it('is raised for a source that is no string', () => {
    expect(refused(() => new EmailTemplate(7 as unknown as string)).code).toBe('invalid_params')
  })
})

describe('what one rendering does', () => {
  it('is not seen by the next one', () => {
    const template = new EmailTemplate('{{ x }}{% set x = 1 %}{{ x }}')
    const variables = Object.freeze({ list: Object.freeze([1]) })
    expect([template.render(variables), template.render(variables)]).toEqual(['1', '1'])
  })
})
