import { expect, inject, test } from 'vitest'
import { runRateTrial } from '../../scripts/bench/rate-trial.js'
import { freshName } from '../helpers/fresh-name.js'

const perSecond = 100
const burst = 50

// The long form, a minute each, is `npm run bench:rate`.
test.each([1, 2, 4])(
  'in no second more than rate and burst with %i processes that are stopped, killed and started',
  async (processes) => {
    // Never more; less only where others keep the machine busy, and then not each time.
    for (let round = 1, used = 0; round <= 3 && used < 0.9; round += 1) {
      const churn = { seed: 6 + round, everyMs: [500, 2_000], downMs: 1_000 } as const
      const where = { redis: inject('redisUrl'), name: freshName() }
      const result = await runRateTrial({ processes, perSecond, burst, seconds: 8, churn, ...where })
      expect(result.surelyBusiest, JSON.stringify(result)).toBeLessThanOrEqual(perSecond + burst)
      expect(new Set(result.deeds.map(({ kind }) => kind)).size).toBeGreaterThan(1)
      used = result.used
      if (round === 3) expect(used).toBeGreaterThan(0.9)
    }
  },
  120_000,
)
