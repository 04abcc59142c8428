import { expect, test } from 'vitest'
import type { Attempt } from '../../src/delivery/delivery.js'
import type { Outcome } from '../../src/delivery/outcome.js'
import { createDeliveryReport } from '../../src/telemetry/delivery-report.js'
import { type Logger, parseLogger } from '../../src/telemetry/log.js'
import { createMetrics } from '../../src/telemetry/metrics.js'

const held: Outcome = { kind: 'held', reason: { code: 'paused', message: 'later' }, holdMs: 1 }

function linesOf(isLevelEnabled?: (level: string) => boolean): readonly string[] {
  const lines: string[] = []
  const keep = (level: string) => () => void lines.push(level)
  const [debug, info, warn, error] = ['debug', 'info', 'warn', 'error'].map(keep) as [
    () => void,
    () => void,
    () => void,
    () => void,
  ]
  const logger: Logger = { debug, info, warn, error, ...(isLevelEnabled ? { isLevelEnabled } : {}) }
  const metrics = createMetrics()
  const report = createDeliveryReport({
    ...{ clock: { now: () => 5_000 }, logger, logAddresses: false, providerOf: () => 'other' },
    metrics: () => metrics,
  })
  const delivery = { id: 'e1', lane: 'bulk', recipient: { address: 'a@example.com' }, createdAt: 2_000 }
  for (const outcome of [{ kind: 'sent' } as const, held])
    report.attempt({ relay: 'main', delivery, outcome } as Attempt & { readonly outcome: Outcome }, 3)
  return lines
}

test('a line is written of each attempt unless its logger says that the level is off', () => {
  expect(linesOf()).toEqual(['info', 'debug'])
  expect(linesOf(() => true)).toEqual(['info', 'debug'])
  expect(linesOf((level) => level !== 'debug')).toEqual(['info'])
  expect(linesOf((level) => level === 'warn')).toEqual([])
})

test('a logger whose isLevelEnabled is no function is refused before anything is sent with it', () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} }
  expect(parseLogger(quiet)).toBe(quiet)
  expect(() => parseLogger({ ...quiet, isLevelEnabled: 'yes' })).toThrow(/isLevelEnabled is no function/)
  expect(() => parseLogger({ ...quiet, warn: 1 })).toThrow(/no function warn/)
})
