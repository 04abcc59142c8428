// What holds at the sink whoever is written to, and may change while it runs: how late it answers, and how much it
// takes in a second before it asks for less. It holds no connection and looks at no clock.

/** Asks for less above a rate, as relays and providers do. */
export interface SlowerOrder {
  /** So many messages are taken within any second; all beyond them are refused. */
  readonly above: number
  /** Default: `451 4.7.1 Too many messages, slow down`. A 421 closes the connection as well. */
  readonly reply?: string | undefined
  /** The command that is refused: that of the sender, or that of a recipient. Default `mail`. */
  readonly at?: 'mail' | 'rcpt' | undefined
}

export interface StandingOrders {
  /** Every answer comes so much later, and those to pipelined commands together; default 0. */
  readonly answerMs?: number | undefined
  /** Holds back the reply to every final dot; default 0. */
  readonly latencyMs?: number | undefined
  /** Default: it takes whatever comes. */
  readonly slower?: SlowerOrder | undefined
}

const SECOND_MS = 1_000
const slowerReply = '451 4.7.1 Too many messages, slow down'
const replyLine = /^([45]\d\d) ([45]\.\d{1,3}\.\d{1,3} .+)$/

/** One sentence for each order that cannot be followed. */
export function orderFaults({ answerMs, latencyMs, slower }: StandingOrders): string[] {
  return [
    ...numberFaults('answerMs', answerMs, 0, 3_600_000),
    ...numberFaults('latencyMs', latencyMs, 0, 3_600_000),
    ...numberFaults('slower.above', slower?.above, 0, Number.MAX_SAFE_INTEGER),
    ...(slower?.reply === undefined || replyLine.test(slower.reply)
      ? []
      : [`slower.reply must be a reply such as '${slowerReply}', not '${slower.reply}'`]),
  ]
}

export function numberFaults(name: string, value: number | undefined, min: number, max: number): string[] {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return []
  return [`${name} must be a whole number from ${min} to ${max}, not ${value}`]
}

/** The reply that asks for less. */
export function slowerRefusal({ reply = slowerReply }: SlowerOrder): { code: number; text: string } {
  const [, code, text = ''] = replyLine.exec(reply) ?? []
  return { code: Number(code), text }
}

/** What came and what was taken, by a clock that never goes back, in milliseconds. */
export class Arrivals {
  /** Every MAIL FROM, whatever became of it. */
  readonly offered: number[] = []
  /** Those that were asked to be slower. */
  readonly slowed: number[] = []
  readonly #taken: number[] = []

  offer(now: number): void {
    this.offered.push(now)
  }

  /** Whether one more is taken; what is refused does not count against what comes after it. */
  take(now: number, { above }: SlowerOrder): boolean {
    const isTaken = this.#within(now) < above
    ;(isTaken ? this.#taken : this.slowed).push(now)
    return isTaken
  }

  clear(): void {
    for (const times of [this.offered, this.slowed, this.#taken]) times.length = 0
  }

  #within(now: number): number {
    const taken = this.#taken
    while ((taken[0] ?? now) <= now - SECOND_MS) taken.shift()
    return taken.length
  }
}

/** How many of these times, oldest first, fall into each second from the first of them on. */
export function bySecond(times: readonly number[]): number[] {
  const [start] = times
  if (start === undefined) return []
  const counts: number[] = []
  for (const time of times) {
    const second = Math.floor((time - start) / SECOND_MS)
    while (counts.length <= second) counts.push(0)
    counts[second] = (counts[second] ?? 0) + 1
  }
  return counts
}
