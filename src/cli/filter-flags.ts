// The flags that say which failures are meant, the same for every command that takes them.

import type { Command } from 'commander'
import { systemClock } from '../clock.js'
import type { FailureFilter } from '../queue/failure-filter.js'
import { UsageError } from './failure.js'
import { collect, defined } from './options.js'

export interface FilterOptions {
  readonly batch?: string
  readonly lane?: string
  readonly id?: string[]
  readonly code?: string
  readonly group?: string
  readonly relay?: string
  readonly domain?: string
  readonly since?: Date
  readonly until?: Date
}

export function addFilter(command: Command): Command {
  return command
    .option('--batch <id>', 'of this batch')
    .option('--lane <lane>', 'of this lane')
    .option('--id <delivery>', 'this delivery; may be given again', collect)
    .option('--code <code>', "with this code: '550 5.1.1', 550, 5.1.1, expired, …")
    .option('--group <group>', 'of this group, by the name that `fluxmail failures` gives it')
    .option('--relay <relay>', 'last tried through this relay')
    .option('--domain <domain>', 'to recipients of this domain')
    .option('--since <time>', 'ended since then: 2027-03-01T12:00, or 90m, 6h, 2d ago', instantAt('--since'))
    .option('--until <time>', 'ended until then', instantAt('--until'))
}

export function filterOf(options: FilterOptions): FailureFilter {
  const { batch, lane, id, code, group, relay, domain, since, until } = options
  return defined({ batch, lane, id, code, group, relay, domain, since, until })
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** An instant in ISO 8601, local time unless it names a zone, or how long ago it was. */
function instantAt(flag: string): (text: string) => Date {
  return (text) => {
    const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
    if (count !== undefined) return new Date(systemClock.now() - Number(count) * (unitMs[unit] ?? 0))
    const date = new Date(text)
    if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date
    throw new UsageError(
      `${flag} takes a time such as 2027-03-01T12:00, or 90m, 6h, 2d for so long ago, not "${text}"`,
    )
  }
}
