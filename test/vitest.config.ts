import { defineConfig } from 'vitest/config'

// What kills processes and waits for what comes of it, for minutes.
const faults = [
  'test/bulk-memory.test.ts',
  'test/chaos/run.test.ts',
  'test/cli/import/killed.test.ts',
  'test/flow/{circuits,faults*,late-verdicts,many-requests,pause,processes,redis-away,redis-full,replicated,stuck-consumer,window*}.test.ts',
  'test/ingress/repeats.test.ts',
]

// What measures a fleet of workers for seconds at a time, and Redis of several servers.
const fleet = [
  'test/bench/commands.test.ts',
  'test/flow/{aside,cluster,fleet,lanes,partly-unpacked,rate*,sentinel,shards,tuning}.test.ts',
]

// `vitest run` is the tests; the other modes are runs of their own.
const runs: Record<string, { include: string[]; exclude?: string[]; globalSetup?: string[] }> = {
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', 'test/deploy/**', 'test/**/fixtures/**', ...faults, ...fleet],
    globalSetup: ['test/helpers/global-setup.ts'],
  },
  faults: { include: faults, globalSetup: ['test/helpers/global-setup.ts'] },
  fleet: { include: fleet, globalSetup: ['test/helpers/global-setup.ts'] },
  // What needs a Prometheus, and the services of the compose file as they run.
  deploy: { include: ['test/deploy/**/*.test.ts'], globalSetup: ['test/helpers/global-setup.ts'] },
  package: { include: ['test/package/*.test.ts'] },
  fixtures: { include: ['test/helpers/fixtures/*.test.ts'] },
}

export default defineConfig(({ mode }) => ({
  test: {
    ...runs[mode],
    setupFiles: ['test/helpers/setup-file.ts'],
    // Files share processes: loading everything anew for each took a third of the time. What a file leaves open is
    // still found after each, and what one file mocks it loads by itself.
    pool: 'forks',
    isolate: false,
    // Tests wait for sockets and processes more than they compute.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 20_000,
  },
}))
