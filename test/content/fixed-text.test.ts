import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BodyText, fixedText, textOfBody } from '../../src/content/fixed-text.js'
import { encodeBody } from '../../src/content/quoted-printable.js'
import { compileTemplate } from '../../src/content/template.js'
import { anyText } from './mail-strings.js'

/** What stands at the end of one piece and the beginning of the next, and means something together. */
const seam = fc.constantFrom(
  ...['', '\r', '\n', '\r\n', ' ', '\t', '=', '_', '\ud83d', '\ude00', 'é', '.', 'x'.repeat(74), '\n\n'],
)
const line = fc.oneof(anyText, fc.string({ unit: 'grapheme-ascii', maxLength: 200 }))
const text = fc
  .array(fc.oneof(seam, line, fc.constantFrom('\n', 'x'.repeat(899))), { maxLength: 8 })
  .map((pieces) => pieces.join(''))
const pieces = fc.array(fc.record({ text, isFixed: fc.boolean() }), { maxLength: 6 })

function bodyOf(parts: readonly { readonly text: string; readonly isFixed: boolean }[]): BodyText {
  return parts.map((part) => (part.isFixed ? fixedText(part.text) : part.text))
}

describe('a body of which some text is encoded once', () => {
  it('is byte for byte what it is encoded as a whole', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const body = bodyOf(parts)
        const whole = encodeBody(parts.map((part) => part.text).join(''))
        for (const encoded of [encodeBody(body), encodeBody(body)]) {
          expect(encoded.encoding).toBe(whole.encoding)
          expect(encoded.bytes.toString('latin1')).toBe(whole.bytes.toString('latin1'))
        }
      }),
      { numRuns: 3_000 },
    )
  })

  it('goes out as it is where nothing in it is against that', () => {
    const fixed = fixedText('Dear\nreader of\nthis: ')
    expect(encodeBody([fixed, 'Ada', fixed, 'Bob\n']).encoding).toBe('7bit')
    expect(encodeBody([fixed, 'Zoë']).encoding).toBe('quoted-printable')
    expect(encodeBody([fixedText('a\n='), '_mix']).encoding).toBe('quoted-printable')
    expect(encodeBody([fixedText(`a\n${'x'.repeat(500)}`), 'y'.repeat(401)]).encoding).toBe(
      'quoted-printable',
    )
  })

  it('is what the template renders to, whatever stands in its variables', () => {
    const source = '<p>\nfixed {{ a }} text\n{% for b in list %}\n{{ b }};{% endfor %}{{ a | upper }}\n</p>'
    const { render, renderBody } = compileTemplate(source)
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 3 }), (a, list) => {
        expect(textOfBody(renderBody({ a, list }))).toBe(render({ a, list }))
      }),
    )
  })

  it('keeps out of it what a template only writes down for later', () => {
    const source = '{% set x %}one\ntwo\n{% endset %}three\nfour {{ x | length }}{{ x }}'
    const { render, renderBody } = compileTemplate(source, { autoescape: false })
    expect(render({})).toBe('three\nfour 8one\ntwo\n')
    expect(textOfBody(renderBody({}))).toBe(render({}))
  })
})
