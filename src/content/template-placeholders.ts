// Puts words in the place of a template's tags, so that HTML tools see plain HTML, and puts the tags back after.

import type { Segment } from './template-tags.js'

export interface Protected {
  /** The source with a lower-case word for each tag. */
  readonly html: string
  readonly tags: readonly Segment[]
  /** Matches any of the words; its first group is the number of the tag. */
  readonly pattern: RegExp
}

export function protectTags(source: string, segments: readonly Segment[]): Protected {
  let prefix = 'fluxtag'
  // HTML tools may change the case of a word that stands where an attribute's name does.
  while (source.toLowerCase().includes(prefix)) prefix += 'q'
  const tags: Segment[] = []
  const html = segments.map((segment) =>
    segment.kind === 'text' ? segment.source : `${prefix}${tags.push(segment) - 1}z`,
  )
  return { html: html.join(''), tags, pattern: new RegExp(`${prefix}(\\d+)z(?:="")?`, 'gi') }
}

export function restoreTags(text: string, { tags, pattern }: Protected): string {
  return text.replace(pattern, (_, index: string) => tags[Number(index)]?.source ?? '')
}
