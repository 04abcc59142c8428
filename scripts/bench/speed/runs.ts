// The runs: in each of them every side once, one after the other, so that what else a machine does meets all alike.

import type { Figure } from './figures.js'
import { type Measured, short } from './report.js'
import type { Bench, Reading, Row, Side } from './row.js'

type Readings = ReadonlyMap<Side, readonly Reading[]>

export async function measureAll(
  rows: readonly Row[],
  sides: readonly Side[],
  bench: Bench,
  runs: number,
): Promise<Measured[]> {
  const present = sides.filter((side) => side.absent?.(bench) === undefined)
  const readings = new Map(present.map((side): [Side, Reading[]] => [side, []]))
  for (let run = 1; run <= runs; run += 1) {
    for (const [index, side] of present.entries()) {
      if (run > (side.most?.(bench) ?? runs)) continue
      bench.signal.throwIfAborted()
      bench.say(`run ${run} of ${runs}, ${index + 1} of ${present.length}: ${side.name}`)
      const reading = await side.run(bench)
      readings.get(side)?.push(reading)
      bench.say(`  ${inWords(reading)}`)
    }
  }
  return rows.map((row) => measuredOf(row, bench, readings))
}

/** What a run of a side came to, for those who watch. */
function inWords({ perSecond, cpuMs, redisMs, median, p99 }: Reading): string {
  const rate = perSecond === undefined ? [] : [`${short(perSecond)} a second`]
  const waits = median === undefined ? [] : [`median ${short(median)} ms, p99 ${short(p99 ?? Number.NaN)} ms`]
  const cpu = cpuMs === undefined ? [] : [`CPU ${cpuMs.toFixed(2)} ms`]
  const redis = redisMs === undefined ? [] : [`Redis ${redisMs.toFixed(2)} ms`]
  return [...rate, ...waits, ...cpu, ...redis].join(', ')
}

function measuredOf(row: Row, bench: Bench, readings: Readings): Measured {
  const { name, title, unit, target } = row
  const [ours, peer] = [readings.get(row.ours) ?? [], (row.peer && readings.get(row.peer)) ?? []]
  const figures = { ours: figuresOf(row, ours), peer: figuresOf(row, peer) }
  const missing = figures.ours.length === 0 || (row.peer && figures.peer.length === 0)
  const absent = missing ? (whyAbsent(row, bench) ?? 'This system does not tell it.') : undefined
  const note = missing ? undefined : row.note?.({ ours, peer })
  return { name, title, unit, target, ...(missing ? { ours: [], peer: [] } : figures), absent, note }
}

const whyAbsent = ({ ours, peer }: Row, bench: Bench) => ours.absent?.(bench) ?? peer?.absent?.(bench)

/** CPU stands beside a rate only. */
function figuresOf({ measure }: Row, readings: readonly Reading[]): Figure[] {
  return readings.flatMap((reading) => {
    const { [measure]: value, cpuMs, redisMs } = reading
    if (value === undefined) return []
    return [measure === 'perSecond' ? { value, cpuMs, redisMs } : { value }]
  })
}
