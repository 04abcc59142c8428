// What the queries of a panel give, asked as Grafana asks them: a range, or the last instant of it.

import { askInstant, askRange, type Series } from './ask.js'
import type { Panel, Target } from './dashboard.js'
import { type Choice, fill, type Span, stepOf } from './fill.js'

export interface Answer {
  readonly target: Target
  /** As it was sent. */
  readonly query: string
  readonly series: readonly Series[]
}

export interface Question {
  readonly url: string
  readonly choice: Choice
  readonly start: number
  readonly end: number
  readonly scrapeSeconds: number
}

/** Points on the whole width of a dashboard, as on a screen of 1440 pixels. */
const POINTS = 1400
const COLUMNS = 24

export function spanOf(panel: Pick<Panel, 'gridPos' | 'interval'>, question: Question): Span {
  const { start, end, scrapeSeconds } = question
  const points = Math.max(1, Math.round((panel.gridPos.w / COLUMNS) * POINTS))
  const least = Math.max(scrapeSeconds, secondsOf(panel.interval))
  return { start, end, scrapeSeconds, stepSeconds: stepOf(end - start, points, least) }
}

function secondsOf(interval = '0s'): number {
  const [, number = '', unit = ''] = /^(\d+)(s|m|h)$/.exec(interval) ?? []
  const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }
  return Number(number) * (seconds[unit] ?? 0)
}

/** Asks all queries of a panel; none of a row or of a text. */
export function askPanel(panel: Panel, question: Question): Promise<Answer[]> {
  const span = spanOf(panel, question)
  return Promise.all(
    (panel.targets ?? []).map(async (target) => {
      const query = fill(target.expr, question.choice, span)
      const series = target.instant
        ? await askInstant(question.url, query, span.end)
        : await askRange(question.url, query, span)
      return { target, query, series }
    }),
  )
}
