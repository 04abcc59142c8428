// The process itself, whatever its role. What is not ours alone keeps the name that Prometheus gives it everywhere.

import type { Declaration } from './declaration.js'

export const processMetrics = {
  fluxmail_build_info: {
    type: 'gauge',
    help: 'Always 1; which version of FluxMail and of Node this process is',
    labels: ['version', 'node', 'role'],
  },
  fluxmail_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'How late this process came to its work, in the last minute: p50, p99, max',
    labels: ['stat'],
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'Time of processors that this process used, of user and system together',
    labels: [],
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Memory of this process',
    labels: [],
  },
  process_start_time_seconds: {
    type: 'gauge',
    help: 'When this process started, in seconds since 1970',
    labels: [],
  },
} as const satisfies Record<string, Declaration>
