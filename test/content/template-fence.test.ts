import { describe, expect, it } from 'vitest'
import { compileTemplate, EmailTemplate } from '../../src/content/template.js'
import { refused } from './refused.js'

class Account {
  readonly name = 'Ada'
  secret() {
    return 'secret'
  }
}

const variables = {
  name: 'Ada',
  list: [1, 2],
  account: new Account(),
  when: new Date(0),
  call: (text: string) => `called with ${text}`,
}

function attempt(source: string): string {
  try {
    return compileTemplate(source).render(variables)
  } catch (error) {
    return `refused: ${String(error)}`
  }
}

describe('no template reaches code', () => {
  const mark = 'fluxmailEscaped'
  const code = `globalThis.${mark} = true`
  it.each([
    `{{ range.constructor("${code}")() }}`,
    `{{ ''.constructor.constructor("${code}")() }}`,
    `{{ ({}).constructor.constructor("${code}")() }}`,
    `{{ [].constructor.constructor("${code}")() }}`,
    `{{ (1).constructor.constructor("${code}")() }}`,
    `{{ joiner.constructor("${code}")() }}{{ joiner(",").constructor("${code}")() }}`,
    `{{ cycler("a").next.constructor("${code}")() }}{{ cycler.constructor("${code}")() }}`,
    `{{ name["con" + "structor"]["constructor"]("${code}")() }}`,
    `{{ name.__proto__.constructor.constructor("${code}")() }}`,
    `{{ constructor.constructor("${code}")() }}`,
    `{{ call.constructor("${code}")() }}{{ call["call"]["constructor"]("${code}")() }}`,
    `{{ list.join.constructor("${code}")() }}{{ name.split.call.constructor("${code}")() }}`,
    `{{ list.map.constructor("${code}")() }}`,
    `{% macro m() %}{% endmacro %}{{ m.constructor("${code}")() }}{{ m.call.constructor("${code}")() }}`,
    `{{ list | groupby("constructor") | dump }}{{ list | join(",", "constructor.constructor") }}`,
    `{{ [name] | sort(attribute="constructor") }}{{ [name] | sum("__proto__.constructor") }}`,
    `{% set o = { __proto__: 1, constructor: 2 } %}{{ o.constructor("${code}")() }}`,
    `{% for k in account %}{{ account[k].constructor.constructor("${code}")() }}{% endfor %}`,
    `{{ 1 is "a\\").constructor.constructor(\\"${code}\\")(\\"" }}`,
    `{{ name["\\\\\\"+${code}+\\\\\\""]() }}`,
    `{% block x(){};${code};function%20y %}{% endblock %}`,
    `{% set a"];${code};["b = 1 %}`,
    `{% macro m(a=(${code})) %}{% endmacro %}{{ m() }}`,
    `{{ caller.constructor("${code}")() }}{{ loop.constructor("${code}")() }}{{ super.constructor("${code}")() }}`,
    `{{ self.constructor("${code}")() }}{{ env }}{{ context }}{{ runtime }}{{ frame }}{{ cb }}{{ process }}{{ require }}`,
  ])('%s', (source) => {
    attempt(source)
    expect(Reflect.get(globalThis, mark)).toBeUndefined()
  })

  it('and members that would lead there are simply not there', () => {
    const names = [
      'constructor',
      '__proto__',
      'prototype',
      '__defineGetter__',
      '__lookupGetter__',
      'hasOwnProperty',
      'toString',
      'valueOf',
      'call',
      'apply',
      'bind',
      'caller',
      'callee',
      'arguments',
    ]
    const targets = [
      'name',
      'list',
      'account',
      'call',
      'when',
      'range',
      'joiner',
      '5',
      'true',
      '{ a: 1 }',
      'name.split',
    ]
    for (const target of targets) {
      for (const member of names) {
        expect(attempt(`{% set x = ${target} %}{{ x["${member}"] is defined }}`), `${target}.${member}`).toBe(
          'false',
        )
      }
    }
    expect(attempt('{{ constructor is defined }}{{ __proto__ is defined }}{{ toString is defined }}')).toBe(
      'falsefalsefalse',
    )
  })

  it('while own fields, listed methods and functions of the app are', () => {
    expect(
      attempt('{{ account.name }} {{ account.secret is defined }} {{ call("it") }} {{ when.getFullYear() }}'),
    ).toBe('Ada false called with it 1970')
  })

  it('and a template cannot change the lists of the app', () => {
    for (const method of ['push', 'pop', 'splice', 'sort', 'reverse', 'fill']) {
      expect(attempt(`{{ list.${method}(1) }}`)).toContain('there is no function')
    }
    expect(variables.list).toEqual([1, 2])
  })
})

describe('no template runs long, grows large or ends the process', () => {
  const double = '{% for i in range(60) %}{% set s = s + s %}{% endfor %}'
  it.each([
    [
      'endless loops',
      '{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}',
      'steps',
    ],
    ['a long range', '{{ range(3000000) }}', 'at most 10000 numbers'],
    ['an endless range', '{{ range(0, 1, 1e-9) }}{{ range(0, 10000000000) }}', 'range'],
    ['a macro that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'deep'],
    [
      'macros that call each other',
      '{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}',
      'deep',
    ],
    [
      'a macro that fans out',
      `{% macro f(n) %}{% if n %}${'{{ f(n - 1) }}'.repeat(4)}{% endif %}{% endmacro %}{{ f(40) }}`,
      'steps',
    ],
    ['a string that doubles', `{% set s = "xxxxxxxx" %}${double}{{ s | length }}`, 'steps'],
    [
      'a string that doubles by ~',
      '{% set s = "xxxxxxxx" %}{% for i in range(60) %}{% set s = s ~ s %}{% endfor %}',
      'steps',
    ],
    [
      'a list that doubles',
      '{% set a = [1] %}{% for i in range(60) %}{% set a = a.concat(a) %}{% endfor %}',
      'steps',
    ],
    [
      'a list that holds itself twice, printed',
      '{% set a = [1] %}{% for i in range(60) %}{% set a = [a, a] %}{% endfor %}{{ a }}',
      'nested',
    ],
    [
      'the same, dumped',
      '{% set a = [1] %}{% for i in range(60) %}{% set a = [a, a] %}{% endfor %}{{ a | dump }}',
      'steps',
    ],
    [
      'the same, compared',
      '{% set a = [1] %}{% for i in range(60) %}{% set a = [a, a] %}{% endfor %}{{ a < 1 }}',
      'nested',
    ],
    [
      'the same, counted with',
      '{% set a = [1] %}{% for i in range(15) %}{% set a = [a, a] %}{% endfor %}{% for i in range(9999) %}{% if a is even %}{% endif %}{{ a - 1 }}{% endfor %}',
      'steps',
    ],
    ['wide padding', '{{ "a" | center(100000000000) }}', 'steps'],
    ['deep indentation', '{{ "a\nb" | indent(100000000000) }}', 'steps'],
    ['a filled batch', '{{ [1] | batch(1000000000, 0) }}', 'steps'],
    ['a thousand million slices', '{{ [1] | slice(1000000000) }}', 'steps'],
    [
      'replacing everywhere',
      '{% set s = "a" %}{% for i in range(40) %}{% set s = s | replace("a", "aa") %}{% endfor %}',
      'steps',
    ],
    [
      'joining much',
      '{% set s = range(9999) | join("xxxxxxxxxxxxxxxx") %}{{ range(9999) | join(s) }}',
      'steps',
    ],
    [
      'an output without end',
      `${'x'.repeat(500)}{% for i in range(9999) %}${'x'.repeat(500)}{% endfor %}`,
      'output is longer',
    ],
    [
      'searching large in large',
      '{% set s = range(9999) | join("a") %}{% for i in range(9999) %}{{ s.indexOf(s) }}{% endfor %}',
      'steps',
    ],
    ['parentheses without end', `{{ ${'('.repeat(100_000)} }}`, 'too deeply'],
    ['an expression without end', `{{ 1${' + 1'.repeat(50_000)} }}`, 'too deeply'],
    ['blocks without end', '{% if 1 %}'.repeat(50_000), 'too deeply'],
    ['a run of blanks to trim', `a${' '.repeat(500_000)}b{%- if 1 %}{% endif %}`, 'blanks in a row'],
    ['a very long source', 'x'.repeat(1_000_001).concat('{{ a }}'), 'longer than'],
  ])('%s', (_, source, reason) => {
    const start = performance.now()
    const error = refused(() => new EmailTemplate(source).render({}))
    expect(error.code).toBe('template_error')
    expect(error.message).toContain(reason)
    expect(performance.now() - start).toBeLessThan(3000)
  })

  it('nor does data that a filter has to look through', () => {
    const start = performance.now()
    const hostile = {
      tags: '<a'.repeat(50_000),
      blanks: `${' '.repeat(100_000)}x`,
      url: `http://${'a.'.repeat(50_000)}`,
    }
    const template = new EmailTemplate(
      '{{ tags | striptags }}{{ blanks | trim }}{{ url | urlize }}{{ blanks | title }}',
    )
    expect(template.render(hostile).length).toBeGreaterThan(100_000)
    expect(performance.now() - start).toBeLessThan(3000)
  })
})
