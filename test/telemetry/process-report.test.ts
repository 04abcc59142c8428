import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { packageVersion } from '../../src/package-root.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { openProcessReport } from '../../src/telemetry/process-report.js'

async function valuesOf(metrics: { expose(): Promise<string> }): Promise<Map<string, number>> {
  const lines = (await metrics.expose()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

test('a process tells its version and role, when it started, and what it uses', async () => {
  const report = openProcessReport('ingress', systemClock)
  try {
    const metrics = createMetrics((into) => report.measure(into))
    const values = await valuesOf(metrics)
    const build = `version="${packageVersion()}",node="${process.version}",role="ingress"`
    expect(values.get(`fluxmail_build_info{${build}}`)).toBe(1)
    const startedAt = Date.now() / 1000 - process.uptime()
    expect(Math.abs((values.get('process_start_time_seconds') ?? 0) - startedAt)).toBeLessThan(1)
    expect(values.get('process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
    const { user, system } = process.cpuUsage()
    const [cpu = 0, again = 0] = [values, await valuesOf(metrics)].map((each) =>
      each.get('process_cpu_seconds_total'),
    )
    expect(Math.abs(cpu - (user + system) / 1e6)).toBeLessThan(0.5)
    expect(again).toBeGreaterThanOrEqual(cpu)
    expect(again - cpu).toBeLessThan(1)
  } finally {
    report.stop()
  }
})
