// Workers that come and go as a seed says: stopped, killed and started again, while at least one is always there.

import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../chaos/random.js'
import type { Stage, Worker } from './stage.js'

export interface Deed {
  readonly kind: 'start' | 'stop' | 'kill'
  /** Milliseconds of `performance.now()`. */
  readonly at: number
  readonly pid: number
}

export interface ChurnOptions {
  readonly seed: number
  /** Processes at once; with one, its successor is ready before it goes. */
  readonly processes: number
  /** From one deed to the next, at the least and at the most. */
  readonly everyMs: readonly [number, number]
  /** How long one that went is missed at the most. */
  readonly downMs: number
}

type Ending = 'stop' | 'kill'

export class Fleet {
  readonly deeds: Deed[] = []
  readonly workers: Worker[] = []
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
  }

  async start(): Promise<Worker> {
    const worker = await this.#stage.startWorker()
    this.workers.push(worker)
    this.#note('start', worker)
    return worker
  }

  async end(worker: Worker, kind: Ending): Promise<void> {
    this.workers.splice(this.workers.indexOf(worker), 1)
    this.#note(kind, worker)
    await (kind === 'kill' ? worker.child.kill() : this.#stage.stopWorker(worker))
  }

  #note(kind: Deed['kind'], { child }: Worker): void {
    this.deeds.push({ kind, at: performance.now(), pid: child.pid })
  }
}

/** Goes on until it is aborted; all that it began is over when it resolves. */
export async function churn(fleet: Fleet, options: ChurnOptions, signal: AbortSignal): Promise<void> {
  const random = createRandom(options.seed, 'churn')
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined)
  for (;;) {
    await pause(random.whole(...options.everyMs))
    if (signal.aborted) return
    const kind: Ending = random.percent(50) ? 'kill' : 'stop'
    const [first, ...rest] = fleet.workers
    if (first === undefined) return
    const worker = random.pick([first, ...rest])
    // The last one does not go before there is another.
    if (rest.length === 0) await fleet.start()
    await fleet.end(worker, kind)
    await pause(random.whole(0, options.downMs))
    while (fleet.workers.length < options.processes && !signal.aborted) await fleet.start()
  }
}
