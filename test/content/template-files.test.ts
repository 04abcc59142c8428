import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmailTemplate } from '../../src/content/template.js'
import { refused } from './refused.js'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fluxmail-templates-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

function write(files: Record<string, string>): void {
  for (const [name, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), source)
  }
}

function load(name = 't/main.html', options = {}): EmailTemplate {
  return EmailTemplate.fromFile(join(folder, name), options)
}

describe('a template from files', () => {
  it('is one source that renders without its files', () => {
    write({
      't/main.html': '{% extends "base.html" %}{% block body %}{% include "parts/hi.html" %}{% endblock %}',
      't/base.html': '<body>{% block body %}{% endblock %}</body>',
      't/parts/hi.html': 'Hi {{ name }}',
    })
    const { source } = load()
    rmSync(join(folder, 't'), { recursive: true })
    expect(new EmailTemplate(source).render({ name: '<Ada>' })).toBe('<body>Hi &lt;Ada&gt;</body>')
  })

  it('fills the blocks of its parents, keeps their own where it has none, and has super()', () => {
    write({
      't/main.html':
        '{% extends "middle.html" %}ignored{% set who = "Ada" %}{% block b %}[{{ super() }}+{{ who }}]{% endblock %}',
      't/middle.html':
        '{% extends "base.html" %}{% block b %}m({{ super() }}){% endblock %}{% block inner %}I{% endblock %}',
      't/base.html':
        '{% block a %}a{% endblock %} {% block b %}b{% block inner %}i{% endblock %}{% endblock %}',
    })
    expect(load().render()).toBe('a [m(bI)+Ada]')
  })

  it('keeps what an included file sets inside it, and shows it what is set around it', () => {
    write({
      't/main.html':
        '{% set a = 1 %}{% for i in [1, 2] %}{% include "./inc.html" %}{% endfor %}{{ a }}{{ b }}',
      't/inc.html':
        '{% set b = i %}{% macro m() %}{{ n() }}{% endmacro %}{% macro n() %}n{% endmacro %}({{ a }}{{ b }}{{ m() }})',
    })
    expect(load().render()).toBe('(11n)(12n)1')
  })

  it('imports macros by name, by another name and as a whole', () => {
    write({
      't/main.html':
        '{% from "m.html" import a, b as c %}{% import "m.html" as m %}{{ a() }}{{ c() }}{{ m.b() }}',
      't/m.html':
        'text {% set n = 2 %}{% macro a() %}a{{ n }}{{ b() }}{% endmacro %}{% macro b() %}b{% endmacro %}',
    })
    expect(load().render()).toBe('a2bbb')
  })

  it('may leave out what is missing, and trims as its tags say', () => {
    write({
      't/main.html': 'a {%- include "x.html" -%} b {% include "none.html" ignore missing %}c',
      't/x.html': ' x ',
    })
    expect(load().render()).toBe('a x b c')
  })

  it('does not look into raw text and comments', () => {
    write({ 't/main.html': '{% raw %}{% include "none.html" %}{% endraw %}{# {% include "none.html" %} #}' })
    expect(load().render()).toBe('{% include "none.html" %}')
  })

  it('names the file, line and column of a mistake in whatever file it is', () => {
    write({
      't/main.html': 'one\n{% include "bad.html" %}',
      't/bad.html': '\n\n  {{ x | nosuch',
      't/late.html': 'one\ntwo {% include "run.html" %}\n{{ y() }}',
      't/run.html': '\n{{ x() }}',
    })
    expect(refused(() => load()).details).toMatchObject({ template: 'bad.html', line: 3 })
    expect(refused(() => load('t/late.html').render()).details).toMatchObject({
      template: 'run.html',
      line: 2,
      column: 5,
    })
    expect(refused(() => load('t/late.html').render({ x: () => '' })).details).toMatchObject({
      line: 3,
      column: 5,
    })
  })

  it('is read as UTF-8 without its mark', () => {
    write({ 't/main.html': '\ufeffZoë' })
    expect(load().render()).toBe('Zoë')
  })
})

describe('a template from files is refused', () => {
  it('with read_error when it cannot be read', () => {
    for (const name of ['t/none.html', '.'])
      expect(refused(() => load(name)).code).toMatch(/read_error|template_error/)
    expect(refused(() => load('t/none.html')).code).toBe('read_error')
    write({ 't/main.html': '' })
    expect(refused(() => load('t/main.html', { root: join(folder, 'none') })).code).toBe('read_error')
  })

  it('when it leaves the folder of the templates, by a name or by a link', () => {
    write({
      'secret.html': 'secret',
      't-secret/x.html': 'secret',
      't/a.html': '{% include "../secret.html" %}',
      't/b.html': '{% include "../t-secret/x.html" %}',
      't/c.html': `{% include "${join(folder, 'secret.html')}" %}`,
      't/d.html': '{% include "link.html" %}',
      't/e.html': '{% extends "./deep/../../secret.html" %}',
      't/deep/x.html': '',
    })
    symlinkSync(join(folder, 'secret.html'), join(folder, 't/link.html'))
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const error = refused(() => load(`t/${name}.html`))
      expect([error.code, error.message]).toEqual([
        'template_error',
        expect.stringContaining('not below the folder'),
      ])
    }
    expect(load('t/a.html', { root: folder }).render()).toBe('secret')
  })

  it.each([
    ['includes itself', '{% include "main.html" %}', 'deep'],
    ['extends itself', '{% extends "main.html" %}', 'deep'],
    ['names a file by a variable', '{% include name %}', 'a text in quotes'],
    ['names a file that is not there', '{% include "none.html" %}', 'no file "none.html"'],
    ['has a block twice', '{% block a %}{% endblock %}{% block a %}{% endblock %}', 'twice'],
    ['has super() without a parent', '{% block a %}{{ super() }}{% endblock %}', 'super()'],
    ['imports what is not there', '{% from "m.html" import nosuch %}', '"nosuch" is not defined'],
    [
      'imports a name from two files',
      '{% from "m.html" import a %}{% from "n.html" import a as b %}',
      'rename one',
    ],
    ['has conditions outside blocks', '{% extends "m.html" %}{% if x %}{% endif %}', 'outside a block'],
    ['includes a folder', '{% include "dir" %}', 'not a file'],
  ])('when it %s', (_, source, reason) => {
    write({
      't/main.html': source,
      't/m.html': '{% macro a() %}{% endmacro %}',
      't/n.html': '{% macro a() %}{% endmacro %}',
      't/dir/x.html': '',
    })
    const error = refused(() => load())
    expect([error.code, error.message]).toEqual(['template_error', expect.stringContaining(reason)])
  })

  it('when its files together grow too long', () => {
    const files = Object.fromEntries(
      Array.from({ length: 18 }, (_, index) => [
        `t/${index}.html`,
        `${'x'.repeat(100)}${`{% include "${index + 1}.html" %}`.repeat(4)}`,
      ]),
    )
    write({ ...files, 't/18.html': 'end' })
    expect(refused(() => load('t/0.html')).message).toContain('longer than')
  })
})
