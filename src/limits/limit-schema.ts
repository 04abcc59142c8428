// The limits of a relay as they are written down: how fast, how many, and how it is got used to us.
// What is wrong is said before anything is sent; nothing here knows where a limit holds.

import { z } from 'zod'

const LOWEST_RATE = 0.001
/** Of the rate: below it workers could hold too little of it to use it up. */
export const leastBurst = 0.25

const rate = z.number().min(LOWEST_RATE).max(1_000_000)
const whole = z.number().int().min(1)

const ratePerSecond = rate
  .optional()
  .meta({ description: 'messages a second, of the whole fleet; no limit unless given' })
const burst = z.number().min(1).optional().meta({
  description:
    'how many more than `ratePerSecond` may leave within one second, after a pause; half of it unless given, and no less than a quarter',
})

export const providerLimitSchema = z.strictObject({ ratePerSecond, burst }).superRefine((limit, context) => {
  for (const problem of burstProblems(limit)) context.addIssue({ code: 'custom', ...problem })
})

export const warmupSchema = z
  .strictObject({
    from: whole.meta({ description: 'messages on the first day' }),
    to: whole.meta({ description: 'messages on the last day; after it there is no such limit' }),
    days: z.number().int().min(2).max(365).meta({ description: 'days from the first to the last' }),
  })
  .superRefine(({ from, to }, context) => {
    if (from < to) return
    const message = `must be more than from, ${from}, and is ${to}: a warm-up goes up`
    context.addIssue({ code: 'custom', path: ['to'], message })
  })

/** Options of a relay. */
export const limitShape = {
  ratePerSecond,
  burst,
  maxConnections: whole
    .optional()
    .meta({ description: 'connections of the whole fleet to the relay; no limit unless given' }),
  maxConnectionsPerWorker: whole
    .default(10)
    .meta({ description: 'connections that one process keeps to the relay, within `maxConnections`' }),
  perDay: whole.optional().meta({ description: 'messages within any 24 hours, of the whole fleet' }),
  warmup: warmupSchema.optional(),
  selfTuning: z.boolean().default(true).meta({
    description:
      'whether a relay that asks for less gets less: half, and more again step by step while it is quiet',
  }),
  providers: z.record(z.string(), providerLimitSchema).default({}).meta({
    description:
      'limits for what goes through the relay to one provider: `{ google: { ratePerSecond: 20, burst: 10 } }`; there are `google`, `microsoft`, `yahoo`, `apple`, `other` and those of the option `providers` of the worker',
  }),
  slowerReplies: z.array(z.string().trim().min(3).max(200)).optional().meta({
    description:
      'replies by which this relay asks for less, beside those that are known: their code or their words, as much as tells them; in place of those of the preset',
  }),
}

interface Problem {
  readonly path: string[]
  readonly message: string
}

interface RateAndBurst {
  readonly ratePerSecond?: number | undefined
  readonly burst?: number | undefined
}

export function burstProblems({ ratePerSecond: perSecond, burst: most }: RateAndBurst): Problem[] {
  if (most === undefined) return []
  if (perSecond === undefined)
    return [{ path: ['burst'], message: 'goes with ratePerSecond: give both, or leave burst out' }]
  if (most >= perSecond * leastBurst) return []
  const least = Math.ceil(perSecond * leastBurst)
  const message = `must be at least ${least}, a quarter of ratePerSecond, and is ${most}; leave it out for half`
  return [{ path: ['burst'], message }]
}
