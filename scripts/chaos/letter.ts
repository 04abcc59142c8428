// The letters of a run: each says whom it is for, so that the sink's record alone shows a wrong one.
// Written and read here, so that the two cannot drift apart.

/** What a letter must be, by what its enqueuer wrote down before it enqueued it. */
export interface Letter {
  /** Stands in subject and body. */
  readonly token: string
  /** Numbered lines in its body. */
  readonly lines: number
}

/** What came out of a recorded letter. */
export interface ReadLetter {
  /** Every token in subject and body, each once. */
  readonly tokens: readonly string[]
  readonly subject: string
  readonly messageId: string
  /** Numbered lines that stand in their order, or -1 when the end is missing. */
  readonly lines: number
}

const tokenPattern = /\btk[0-9a-z]+x[0-9]+z\b/g

export function tokenOf(run: number, number: number): string {
  return `tk${run.toString(36)}x${number}z`
}

export function subjectOf(token: string): string {
  return `Chaos ${token}`
}

export function bodyOf({ token, lines }: Letter): string {
  const numbered = Array.from({ length: lines }, (_, index) => `line ${index} of a letter that is to arrive`)
  return [`for ${token}`, ...numbered, `end of ${token}`, ''].join('\r\n')
}

export function readLetter(bytes: Buffer): ReadLetter {
  const text = bytes.toString('latin1')
  const split = text.indexOf('\r\n\r\n')
  const [header, body] = [text.slice(0, split), text.slice(split)]
  return {
    tokens: [...new Set(text.match(tokenPattern))],
    subject: /^Subject: (.*)$/im.exec(header)?.[1]?.trim() ?? '',
    messageId: /^Message-ID: (.*)$/im.exec(header)?.[1]?.trim() ?? '',
    lines: linesOf(body),
  }
}

function linesOf(body: string): number {
  if (!/^end of tk\w+\r?$/m.test(body)) return -1
  const numbers = [...body.matchAll(/^line (\d+) of a letter that is to arrive\r?$/gm)].map(
    (line) => +(line[1] ?? ''),
  )
  return numbers.every((number, index) => number === index) ? numbers.length : -1
}
