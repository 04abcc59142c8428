// One and two worker processes, at a sink that answers 20 ms late, so that what limits is waiting and not computing.

import { WrongResult } from '../../command.js'
import { runScaleTrial } from '../../scale-trial.js'
import type { Side } from '../row.js'

const SECONDS = { quick: 2, usual: 10 }
const LIMIT = 20_000

function workersOf(name: string, processes: number): Side {
  return {
    name,
    async run({ quick, signal }) {
      const seconds = quick ? SECONDS.quick : SECONDS.usual
      const options = { processes, answerMs: 20, perSecond: LIMIT, seconds }
      const { perSecond, cpuMs, twice } = await runScaleTrial(options, signal)
      if (twice > 0) throw new WrongResult(`${name}: ${twice} messages arrived more than once`)
      return { perSecond, cpuMs }
    },
  }
}

export const one = workersOf('one worker', 1)
export const two = workersOf('two workers', 2)
