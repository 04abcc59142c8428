import { expect, test } from 'vitest'
import { labelsOf, metricsOf, sumsOfShared } from './promql-reading.js'

test.each([
  ['sum(fluxmail_jobs)', ['fluxmail_jobs']],
  ['sum by (lane, state) (fluxmail_jobs{lane=~"$lane"})', ['fluxmail_jobs']],
  ['avg by (lane) (rate(fluxmail_jobs[5m]))', ['fluxmail_jobs']],
  ['max by (lane) (fluxmail_jobs)', []],
  ['sum by (lane) (max by (lane, state) (fluxmail_jobs{lane=~"$lane"}))', []],
  ['sum(max by (lane) (fluxmail_jobs)) + sum(fluxmail_workers)', ['fluxmail_workers']],
  ['sum(fluxmail_smtp_connections)', []],
])('what %s sums up that is the same from every worker is found', (expr, found) => {
  expect(sumsOfShared(expr)).toEqual(found)
})

test('a part of a histogram stands for it', () => {
  expect(metricsOf('rate(fluxmail_queue_seconds_bucket[5m])')).toEqual(['fluxmail_queue_seconds'])
  expect(labelsOf('fluxmail_queue_seconds')).toContain('le')
})
