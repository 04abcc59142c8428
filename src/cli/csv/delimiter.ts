// Which character parts the fields of a CSV, found by looking at its first lines.
// What stands in quotes is no evidence: a name like "Lovelace, Ada" has a comma of its own.

const delimiters = [',', ';', '\t', '|'] as const

/**
 * Of the characters that stand in the header, the one that stands as often in most of the lines behind it, and of
 * those the most frequent; a comma where there is none.
 */
export function findDelimiter(lines: readonly string[]): string {
  const [header = '', ...rows] = unquotedLines(lines)
  let best: { delimiter: string; agreeing: number; count: number } = { delimiter: ',', agreeing: 0, count: 0 }
  for (const delimiter of delimiters) {
    const count = countIn(header, delimiter)
    const agreeing = rows.filter((row) => countIn(row, delimiter) === count).length
    if (count === 0) continue
    if (best.count === 0 || agreeing > best.agreeing || (agreeing === best.agreeing && count > best.count)) {
      best = { delimiter, agreeing, count }
    }
  }
  return best.delimiter
}

function countIn(text: string, delimiter: string): number {
  return text.split(delimiter).length - 1
}

/** The records without their quoted fields. */
function unquotedLines(lines: readonly string[]): string[] {
  return lines
    .join('')
    .replace(/"(?:[^"]|"")*"/g, '')
    .split(/\r\n|\n|\r/)
    .filter((line) => line.trim() !== '')
}
