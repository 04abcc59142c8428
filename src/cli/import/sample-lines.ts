// A rendered sample for a terminal: what a recipient would see first, in no more columns than there are.

import { cut, padEnd, visible, widthOf, wrap } from '../../terminal/text.js'
import type { Paint } from '../context.js'
import type { RenderedSample } from './dry-run.js'

const TEXT_LINES = 14
const INDENT = '  '
const NAME_WIDTH = 11

export function sampleLines(sample: RenderedSample, columns: number, paint: Paint): string[] {
  const { line, why, to, subject, unsubscribeUrl, headers, attachments, text } = sample
  const facts: (readonly [string, string])[] = [
    ['To', to],
    ['Subject', subject],
    ...headers.map(({ name, value }) => [name, value] as const),
    ...(unsubscribeUrl === undefined ? [] : [['Unsubscribe', unsubscribeUrl] as const]),
    ...(attachments.length === 0 ? [] : [['Attached', attachments.join(', ')] as const]),
  ]
  const room = columns - INDENT.length
  return [
    paint('bold', cut(`Line ${line}${why === '' ? '' : `, ${why}`}`, columns)),
    ...facts.flatMap((fact) => factLines(fact, room, paint)),
    '',
    ...textLines(text, room, paint),
  ].map((shown, index) => (index === 0 || shown === '' ? shown : INDENT + shown))
}

function factLines([name, value]: readonly [string, string], room: number, paint: Paint): string[] {
  const gap = NAME_WIDTH + INDENT.length
  const [first = '', ...more] = fold(visible(value), room - gap)
  const title = paint('dim', padEnd(cut(name, NAME_WIDTH), NAME_WIDTH))
  return [`${title}${INDENT}${first}`, ...more.map((line) => ' '.repeat(gap) + line)]
}

function textLines(text: string, room: number, paint: Paint): string[] {
  const lines = text.trimEnd().split(/\r?\n/).map(visible)
  const folded = lines.flatMap((line) => fold(line, room))
  const more = folded.length - TEXT_LINES
  if (more <= 1) return folded
  return [...folded.slice(0, TEXT_LINES), paint('dim', `… and ${more} lines more`)]
}

/** Broken between words, and within one that is too long for a line, such as a URL. */
function fold(text: string, width: number): string[] {
  return wrap(text, width).flatMap((line) => (widthOf(line) <= width ? [line] : broken(line, width)))
}

function broken(line: string, width: number): string[] {
  const lines: string[] = ['']
  for (const character of line) {
    const last = lines.at(-1) ?? ''
    if (widthOf(last + character) > width) lines.push(character)
    else lines[lines.length - 1] = last + character
  }
  return lines
}
