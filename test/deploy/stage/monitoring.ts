// What the stage's Prometheus says, asked at the port that the compose file publishes for it.

import { z } from 'zod'
import type { Stage } from './stage.js'

const targets = z.object({
  data: z.object({
    activeTargets: z.array(
      z.object({ labels: z.record(z.string(), z.string()), health: z.string(), lastError: z.string() }),
    ),
  }),
})

const vector = z.object({
  data: z.object({
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        value: z.tuple([z.number(), z.string()]),
      }),
    ),
  }),
})

const lanes = z.array(
  z.object({
    accepted: z.number(),
    sent: z.number(),
    failed: z.number(),
    skipped: z.number(),
    unknown: z.number(),
    pending: z.number(),
    resent: z.number(),
    waiting: z.number(),
    active: z.number(),
    delayed: z.number(),
  }),
)

export type Counts = z.infer<typeof lanes>[number]

export interface Target {
  readonly job: string
  readonly instance: string
  readonly health: string
  readonly lastError: string
}

export function openMonitoring(stage: Stage, url: string) {
  const ask = async (path: string): Promise<unknown> => {
    const { status, body } = await stage.fetch(`${url}${path}`)
    if (status !== 200) throw new Error(`${path} answered ${status}: ${body}`)
    return JSON.parse(body)
  }
  return {
    /** What Prometheus scrapes now. */
    async targets(): Promise<Target[]> {
      const { activeTargets } = targets.parse(await ask('/api/v1/targets?state=active')).data
      return activeTargets.map(({ labels: { job = '', instance = '' }, ...rest }) => ({
        job,
        instance,
        ...rest,
      }))
    },
    /** The values of a query, by the value of one label. */
    async query(text: string, by: string): Promise<Map<string, number>> {
      const { result } = vector.parse(await ask(`/api/v1/query?query=${encodeURIComponent(text)}`)).data
      return new Map(result.map(({ metric, value }) => [metric[by] ?? '', Number(value[1])]))
    },
    /** The intervals that the file of Prometheus sets. */
    async config(): Promise<string> {
      return z.object({ data: z.object({ yaml: z.string() }) }).parse(await ask('/api/v1/status/config')).data
        .yaml
    },
    rules: async () => JSON.stringify(await ask('/api/v1/rules')),
  }
}

export type Monitoring = ReturnType<typeof openMonitoring>

/** The counts of all lanes together, asked by the command that is in the image of this service. */
export async function countsBy(stage: Stage, service: string): Promise<Counts> {
  const command = ['node', 'dist/src/cli/main.js', 'status', '--json']
  const { code, stdout } = await stage.run(service, command)
  if (code !== 0) throw new Error(`status ended with ${code}: ${stdout}`)
  const observed = { waiting: 0, active: 0, delayed: 0 }
  const ended = { sent: 0, failed: 0, skipped: 0, unknown: 0, resent: 0 }
  const sum: Counts = { accepted: 0, pending: 0, ...ended, ...observed }
  for (const lane of lanes.parse(JSON.parse(stdout)))
    for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += lane[name]
  return sum
}

/** Of what is acknowledged, all has an end or is on its way. */
export function isWhole({ accepted, sent, failed, skipped, unknown, pending }: Counts): boolean {
  return accepted === sent + failed + skipped + unknown + pending
}
