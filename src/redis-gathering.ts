// A connection to Redis that writes what many deliveries ask in one turn of the event loop at once. A write for each
// would cost more than the command in it, and so do the pipelines that ioredis makes by itself.

import { Redis } from 'ioredis'
import { afterTurn } from './clock.js'

export class GatheringRedis extends Redis {
  #gathering: Redis['stream'] | undefined
  #last: (() => void)[] = []

  /** Calls `run` at the end of the turn, before what was asked in it is written, so that it may ask for more. */
  whenWritten(run: () => void): void {
    this.#last.push(run)
    if (this.stream) this.#gather()
    else afterTurn(() => this.#callLast())
  }

  override sendCommand(...args: Parameters<Redis['sendCommand']>): ReturnType<Redis['sendCommand']> {
    // Nothing that was asked before may come after the end.
    if (args[0].name === 'quit') this.#callLast()
    this.#gather()
    return super.sendCommand(...args)
  }

  override disconnect(...args: Parameters<Redis['disconnect']>): void {
    this.#callLast()
    super.disconnect(...args)
  }

  #callLast(): void {
    for (let run = this.#last.shift(); run !== undefined; run = this.#last.shift()) run()
  }

  #gather(): void {
    const { stream } = this
    if (stream === undefined || stream === null || stream === this.#gathering) return
    this.#gathering = stream
    stream.cork()
    afterTurn(() => {
      try {
        this.#callLast()
      } finally {
        this.#gathering = undefined
        stream.uncork()
      }
    })
  }
}
