// `fluxmail watch`: looks on while a batch is sent, until nothing of it is pending. It changes nothing, however it ends.

import { systemClock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import type { MailQueue } from '../mail-queue.js'
import type { BatchProgress } from '../queue/batch-progress.js'
import { openLiveView } from '../terminal/live-view.js'
import { stateOf } from './batch-state.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { groupLines } from './failure-lines.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { watchLine, watchLines } from './watch-lines.js'

export interface WatchOptions extends QueueOptions {
  readonly id: string
  /** Seconds. */
  readonly interval?: number
  readonly exitStatus?: boolean
  readonly json?: boolean
}

const REDRAW_MS = 500
const LINE_EVERY_MS = 5_000
/** Lines come seldom, and the end is to be seen at once all the same. */
const LOOK_MS = 1_000
const AWAY_MS = 1_000

export async function watch(options: WatchOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const display = openDisplay(options, context)
  const last = await follow(queue, options.id, display, context)
  if (context.signal.aborted || last === undefined) {
    say(context.stderr, `no longer watched; batch ${options.id} goes its way`)
    return exitCodes.interrupted
  }
  display.end(last)
  const isGood = last.failed + last.unknown === 0 && last.cancelled === undefined
  return options.exitStatus && !isGood ? exitCodes.fluxMail : exitCodes.done
}

interface Display {
  readonly lookMs: number
  show(progress: BatchProgress): void
  /** Redis does not answer for now. */
  away(problem: string): void
  end(last: BatchProgress): void
}

/** The last progress; undefined where there was none before Ctrl-C. A Redis that goes away meanwhile is waited for. */
async function follow(
  queue: MailQueue,
  id: string,
  { lookMs, show, away }: Display,
  { signal }: Context,
): Promise<BatchProgress | undefined> {
  let last: BatchProgress | undefined
  for (;;) {
    try {
      const options = { intervalMs: lookMs, whileIncomplete: true, signal }
      for await (const progress of queue.batch(id).progress(options)) {
        if (signal.aborted) return last
        last = progress
        show(progress)
      }
      return last
    } catch (error) {
      const isAway = error instanceof FluxMailError && error.code === 'queue_unavailable'
      if (!isAway || last === undefined) throw error
      away(error.message)
      await systemClock.sleep(AWAY_MS, signal)
      if (signal.aborted) return last
    }
  }
}

function openDisplay(options: WatchOptions, context: Context): Display {
  const { stdout } = context
  const everyMs = options.interval === undefined ? undefined : options.interval * 1_000
  if (options.json)
    return lines(everyMs ?? LINE_EVERY_MS, context, {
      lineOf: (progress) => JSON.stringify(progress),
      endLines: () => [],
    })
  if (!stdout.isTTY || context.env.TERM === 'dumb')
    return lines(everyMs ?? LINE_EVERY_MS, context, {
      lineOf: watchLine,
      endLines: ({ groups }) => (groups.length === 0 ? [] : ['', ...groupLines(groups, context)]),
    })
  const view = openLiveView(stdout)
  let drawn: readonly string[] = []
  return {
    lookMs: everyMs ?? REDRAW_MS,
    show(progress) {
      drawn = watchLines(progress, context)
      view.draw(drawn)
    },
    away: () => view.draw([...drawn, '', 'Redis does not answer; looking again']),
    end: () => undefined,
  }
}

interface Words {
  lineOf(progress: BatchProgress): string
  endLines(last: BatchProgress): string[]
}

/** A line now and then, one when the state of the batch changes, and one at the end. */
function lines(everyMs: number, { stdout, stderr }: Context, { lineOf, endLines }: Words): Display {
  let saidAt = Number.NEGATIVE_INFINITY
  let said: string | undefined
  let state = ''
  let isAway = false
  function tell(progress: BatchProgress): void {
    saidAt = systemClock.monotonicMs()
    said = lineOf(progress)
    say(stdout, said)
  }
  return {
    lookMs: Math.min(everyMs, LOOK_MS),
    show(progress) {
      isAway = false
      const now = stateOf(progress, systemClock.now())
      const isDue = systemClock.monotonicMs() - saidAt >= everyMs
      if (isDue || now !== state) tell(progress)
      state = now
    },
    away(problem) {
      if (!isAway) say(stderr, `${problem}; looking again`)
      isAway = true
    },
    end(last) {
      if (said !== lineOf(last)) tell(last)
      for (const line of endLines(last)) say(stdout, line)
    },
  }
}
