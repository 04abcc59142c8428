// Progress of work whose end is known: a bar with rate and ETA on a terminal, a plain line now and then elsewhere.
// It says nothing of work that is over in a moment, and leaves the last word to the command.

import { type Params, SingleBar } from 'cli-progress'
import { systemClock } from '../clock.js'
import { columnsOf, type Output, say } from './output.js'
import { cut, formatCount, formatPercent, formatSeconds, padEnd, padStart } from './text.js'

export interface ProgressOptions {
  /** What is being done: `enqueueing`. */
  readonly label: string
  /** What is counted: `rows`. */
  readonly unit: string
}

export interface Step {
  /** How much is done, from 0 to 1; left out where the end is not known. */
  readonly share?: number
  /** How many of the unit. */
  readonly count: number
  /** A few words more. */
  readonly note?: string
}

export interface Progress extends Disposable {
  update(step: Step): void
  /** Leaves the line to others until the returned function is called, however often it is hidden meanwhile. */
  hide(): () => void
}

interface Shown extends Step {
  readonly label: string
  readonly unit: string
  readonly ratePerSecond: number
  readonly columns: number
}

const REDRAW_MS = 100
const LINE_EVERY_MS = 2_000
const LONGEST_ETA_SECONDS = 359_999
/** cli-progress estimates the end from whole steps. */
const BAR_TOTAL = 100_000
const LABEL_WIDTH = 12
/** Narrow enough not to change as the words beside it grow. */
const BAR_WIDTH = 18
const saveCursor = '\u001b7'
const restoreCursor = '\u001b8'
const clearLine = '\r\u001b[2K'

export function openProgress({ stderr }: { readonly stderr: Output }, options: ProgressOptions): Progress {
  return stderr.isTTY ? new Bar(stderr, options) : new Lines(stderr, options)
}

class Bar implements Progress {
  readonly #bar: SingleBar
  readonly #line: BarLine
  readonly #startedAt = systemClock.monotonicMs()
  #drawnAt = 0

  constructor(stderr: Output, options: ProgressOptions) {
    const columns = columnsOf(stderr)
    const format = (_options: unknown, params: Params, payload: Shown) => formatBar(payload, params.eta)
    this.#line = new BarLine(stderr)
    // linewrap and gracefulExit: the terminal's settings and its signals are not for this library to touch.
    const settings = {
      stream: this.#line.stream,
      format,
      clearOnComplete: true,
      linewrap: true,
      gracefulExit: false,
      etaBuffer: 60,
    }
    this.#bar = new SingleBar(settings)
    this.#bar.start(BAR_TOTAL, 0, { ...options, count: 0, ratePerSecond: 0, columns })
  }

  update(step: Step): void {
    const now = systemClock.monotonicMs()
    if (now - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = now
    const ratePerSecond = rateOf(step.count, now - this.#startedAt)
    this.#bar.update(Math.round((step.share ?? 0) * BAR_TOTAL), { ...step, ratePerSecond })
  }

  hide(): () => void {
    return this.#line.hide()
  }

  [Symbol.dispose](): void {
    this.#bar.stop()
  }
}

/** The line of a bar, which can be lent to others. */
class BarLine {
  readonly #output: Output
  #hidden = 0
  /** What the bar drew last. */
  #drawn = ''

  constructor(output: Output) {
    this.#output = output
  }

  get stream(): NodeJS.WritableStream {
    const write = (text: string) => this.#write(text)
    return Object.create(this.#output, { write: { value: write } }) as NodeJS.WritableStream
  }

  hide(): () => void {
    this.#hidden += 1
    if (this.#hidden === 1) this.#output.write(clearLine)
    return () => {
      this.#hidden -= 1
      if (this.#hidden === 0) this.#output.write(clearLine + this.#drawn)
    }
  }

  /** cli-progress goes back to where it began, which is another line by then if anything was written between. */
  #write(text: string): boolean {
    if (text === saveCursor || text === restoreCursor) return true
    if (!text.startsWith('\u001b')) this.#drawn = text
    return this.#hidden > 0 || this.#output.write(text)
  }
}

class Lines implements Progress {
  readonly #stderr: Output
  readonly #options: ProgressOptions
  readonly #startedAt = systemClock.monotonicMs()
  #saidAt = this.#startedAt

  constructor(stderr: Output, options: ProgressOptions) {
    this.#stderr = stderr
    this.#options = options
  }

  update({ share, count, note }: Step): void {
    const now = systemClock.monotonicMs()
    if (now - this.#saidAt < LINE_EVERY_MS) return
    this.#saidAt = now
    const { label, unit } = this.#options
    const rate = `${formatCount(rateOf(count, now - this.#startedAt))}/s`
    const known = share === undefined ? [] : [formatPercent(share)]
    const parts = [`${formatCount(count)} ${unit}`, ...known, rate, ...(note ? [note] : [])]
    say(this.#stderr, `${label}: ${parts.join(', ')}`)
  }

  /** Its lines are whole, and nothing is in their way. */
  hide(): () => void {
    return () => undefined
  }

  [Symbol.dispose](): void {}
}

function rateOf(count: number, elapsedMs: number): number {
  return elapsedMs > 0 ? (count * 1000) / elapsedMs : 0
}

/** One line of at most `columns` cells; the bar takes what the words leave. */
export function formatBar(shown: Shown, etaSeconds: number): string {
  const { label, unit, share, count, ratePerSecond, columns, note } = shown
  const isUnderWay = share !== undefined && share > 0 && share < 1
  const known = isUnderWay && etaSeconds >= 0 && etaSeconds <= LONGEST_ETA_SECONDS
  const eta = known ? `ETA ${formatEta(etaSeconds)}` : 'ETA –'
  const counted = `${formatCount(count)} ${unit}`
  const words = [
    ...(share === undefined ? [] : [padStart(formatPercent(share), 5)]),
    counted,
    `${formatCount(ratePerSecond)}/s`,
    ...(share === undefined ? [] : [eta]),
    ...(note ? [note] : []),
  ]
  const tail = words.join('  ')
  const room = columns - 1 - LABEL_WIDTH - tail.length - 2
  return cut(
    `${padEnd(label, LABEL_WIDTH)}${room < 5 || share === undefined ? '' : `${barOf(share, Math.min(room, BAR_WIDTH))}  `}${tail}`,
    columns - 1,
  )
}

export function barOf(share: number, width: number): string {
  const done = Math.round(Math.min(1, Math.max(0, share)) * width)
  return '█'.repeat(done) + '░'.repeat(width - done)
}

export function formatEta(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : formatSeconds(seconds * 1000)
}
