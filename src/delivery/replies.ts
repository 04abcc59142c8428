// A relay's reply taken apart (RFC 5321, 4.2; RFC 2034): code, enhanced code, text. What it means stands in
// reply-rules.ts. It takes whatever came over the wire and never throws.

import type { Reply } from './outcome.js'

/** The command that a refusal answers. `body` is the final dot. */
export type Stage = 'mail' | 'rcpt' | 'data' | 'body'

/** The same, with what comes before MAIL FROM: the greeting, EHLO and STARTTLS (`connect`), and AUTH. */
export type ReplyStage = 'connect' | 'auth' | Stage

const lineEnd = /[\r\n]/
const leadingCode = /^\s*(\d{3})(?:[-;:,]|(?!\S))\s*/
const leadingEnhanced = /^#?([245]\.\d{1,3}\.\d{1,3})(?!\w|\.\d)[\s:;]*/
/** Elsewhere in a line only what can be a failure's code is taken: 4.94.2 is a version and 5.1.1.1 an address. */
const looseEnhanced = /(?<![\w.-])([45]\.[0-7]\.\d{1,3})(?!\w|\.\d)/

/** Takes a reply apart: `550-5.1.1 No such\r\n550 5.1.1 user` is 550, 5.1.1, `No such user`. */
export function parseReply(response: string): Reply | undefined {
  const code = Number(leadingCode.exec(response)?.[1])
  if (!(code >= 100 && code < 600)) return undefined
  const lines = lineEnd.test(response)
    ? response.split(/[\r\n]+/).map((line) => readLine(line, code))
    : [readLine(response, code)]
  const text = lines
    .map((line) => line.text)
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim()
  const enhanced = chooseEnhanced(lines.flatMap((line) => line.enhanced ?? []))
  const found = enhanced ?? (code >= 400 ? looseEnhanced.exec(text)?.[1] : undefined)
  return found === undefined ? { code, text } : { code, enhanced: found, text }
}

interface Line {
  readonly enhanced?: string
  readonly text: string
}

function readLine(line: string, code: number): Line {
  const start = leadingCode.exec(line)
  const rest = Number(start?.[1]) === code ? line.slice(start?.[0].length) : line
  const enhanced = leadingEnhanced.exec(rest)
  return enhanced?.[1] === undefined
    ? { text: rest }
    : { enhanced: enhanced[1], text: rest.slice(enhanced[0].length) }
}

/** Of lines that differ, the first that says something: `x.0.0` and `x.7.0` say next to nothing. */
function chooseEnhanced(codes: readonly string[]): string | undefined {
  return codes.find((code) => !/^.\.[07]\.0$/.test(code)) ?? codes[0]
}

/** The group that a reply is counted under: code and enhanced code. */
export function replyGroup(reply: Reply): string {
  return reply.enhanced === undefined ? String(reply.code) : `${reply.code} ${reply.enhanced}`
}
