// What of the compose specification the stage knows: a key that is not here is an error, so that nothing which the
// file says is passed over in silence.

import { z } from 'zod'

const words = z.union([z.string(), z.array(z.string())])
export const pairs = z.union([
  z.array(z.string()),
  z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
])

export const service = z.strictObject({
  image: z.string().optional(),
  build: z
    .strictObject({
      context: z.string(),
      dockerfile: z.string().default('Dockerfile'),
      target: z.string().optional(),
    })
    .optional(),
  entrypoint: words.optional(),
  command: words.optional(),
  environment: pairs.default({}),
  env_file: z
    .union([
      z.string(),
      z.array(
        z.union([z.string(), z.strictObject({ path: z.string(), required: z.boolean().default(true) })]),
      ),
    ])
    .default([]),
  user: z.string().optional(),
  working_dir: z.string().optional(),
  read_only: z.boolean().default(false),
  tmpfs: words.default([]),
  volumes: z
    .array(
      z.union([
        z.string(),
        z.strictObject({
          type: z.enum(['bind', 'volume', 'tmpfs']),
          source: z.string().optional(),
          target: z.string(),
          read_only: z.boolean().default(false),
          bind: z.looseObject({}).optional(),
          tmpfs: z.looseObject({}).optional(),
        }),
      ]),
    )
    .default([]),
  secrets: z
    .array(
      z.union([
        z.string(),
        z.strictObject({ source: z.string(), target: z.string().optional(), mode: z.unknown().optional() }),
      ]),
    )
    .default([]),
  ports: z.array(z.string()).default([]),
  expose: z.array(z.union([z.string(), z.number()])).default([]),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  healthcheck: z
    .strictObject({
      test: words.optional(),
      disable: z.boolean().optional(),
      interval: z.string().default('30s'),
      timeout: z.string().default('30s'),
      retries: z.number().default(3),
      start_period: z.string().default('0s'),
      start_interval: z.string().default('5s'),
    })
    .optional(),
  depends_on: z
    .union([
      z.array(z.string()),
      z.record(
        z.string(),
        z.strictObject({
          condition: z.string(),
          required: z.boolean().optional(),
          restart: z.boolean().optional(),
        }),
      ),
    ])
    .default([]),
  profiles: z.array(z.string()).default([]),
  stop_grace_period: z.string().default('10s'),
  stop_signal: z.string().optional(),
  deploy: z
    .looseObject({
      replicas: z.union([z.number(), z.string()]).optional(),
      resources: z
        .looseObject({ limits: z.looseObject({ memory: z.string().optional() }).optional() })
        .optional(),
    })
    .default({}),
  mem_limit: z.string().optional(),
  // What these say has no effect on a process that runs alone on this machine for a minute.
  restart: z.string().optional(),
  logging: z.looseObject({}).optional(),
  labels: z.unknown().optional(),
  pids_limit: z.number().optional(),
  pull_policy: z.string().optional(),
})

export const file = z.looseObject({
  services: z.record(z.string(), service),
  secrets: z
    .record(z.string(), z.strictObject({ file: z.string().optional(), environment: z.string().optional() }))
    .default({}),
  volumes: z.record(z.string(), z.unknown()).default({}),
})
