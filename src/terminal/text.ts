// Text for a terminal: its width in cells, cut and padded by it, and numbers as people read them.
// What comes from outside passes through `visible`, so that no control character reaches a terminal.

const segmenter = new Intl.Segmenter()
const invisible = /^[\p{M}\p{Cf}\p{Cc}]+$/u
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]|\ufe0f/u
const plainText = /^[\x20-\x7e]*$/

/** How many cells of a terminal a text takes. */
export function widthOf(text: string): number {
  if (plainText.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += cellsOf(segment)
  return width
}

function cellsOf(cluster: string): number {
  if (wide.test(cluster)) return 2
  return invisible.test(cluster) ? 0 : 1
}

/** The text, or its beginning and an ellipsis, in at most `width` cells. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    const cells = cellsOf(segment)
    if (used + cells > width - 1) break
    kept += segment
    used += cells
  }
  return `${kept}…`
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text
}

/** Foreign text on one line, with nothing in it that a terminal would obey. */
export function visible(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ').replace(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd')
}

/** Words broken into lines of at most `width` cells; line breaks in the text stay, as do indents. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, width))
}

function wrapLine(line: string, width: number): string[] {
  const indent = /^ */.exec(line)?.[0] ?? ''
  const lines: string[] = []
  let current = indent
  for (const word of line.trim().split(/ +/)) {
    const fits = widthOf(current) + 1 + widthOf(word) <= width
    if (current.trim() === '') current += word
    else if (fits) current += ` ${word}`
    else {
      lines.push(current)
      current = indent + word
    }
  }
  return [...lines, current]
}

const grouped = new Intl.NumberFormat('en-US')

export function formatCount(count: number): string {
  return grouped.format(Math.round(count))
}

/** `1 row`, `2 rows`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

export function formatSeconds(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${formatCount(Math.floor(minutes / 60))} h ${minutes % 60} min`
}

export function formatPercent(share: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, share)) * 100)} %`
}
