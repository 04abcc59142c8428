// A connection to Redis that writes what many deliveries ask in one turn of the event loop at once. A write for each
// would cost more than the command in it, and so do the pipelines that ioredis makes by itself.

import { Redis } from 'ioredis'
import { afterTurn } from './clock.js'

export class GatheringRedis extends Redis {
  #gathering: Redis['stream'] | undefined

  override sendCommand(...args: Parameters<Redis['sendCommand']>): ReturnType<Redis['sendCommand']> {
    this.#gather()
    return super.sendCommand(...args)
  }

  #gather(): void {
    const { stream } = this
    if (stream === undefined || stream === null || stream === this.#gathering) return
    this.#gathering = stream
    stream.cork()
    afterTurn(() => {
      this.#gathering = undefined
      stream.uncork()
    })
  }
}
