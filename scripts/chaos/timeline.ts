// All that is known of one recipient, moment by moment, in seconds of the run: what a breach is understood by.

import { deliveriesOf, type Evidence, sightingsOf } from './evidence.js'

type Moment = readonly [at: number | undefined, what: string]

export function timelineOf(recipient: string, evidence: Evidence): string[] {
  const bodies = sightingsOf(evidence.sink).filter(({ to }) => to === recipient)
  const deliveries = deliveriesOf(evidence, bodies).filter((delivery) => delivery.recipient === recipient)
  const moments: Moment[] = bodies.flatMap(({ client, connection, ...body }) => {
    const where = `${client}, connection ${connection}`
    return [
      [body.begunAt, `the sink says 354 to ${where}`],
      [body.wholeAt, `the sink has the final dot of ${where}`],
      [body.answeredAt, `the sink says 250 to ${where}`],
      [body.leftAt, `closed, or on to another message: ${where}`],
    ] as const
  })
  for (const { id, lane, policy } of deliveries) {
    moments.push([evidence.startedAt, `${id} in lane ${lane}, policy ${policy}`])
    for (const word of evidence.words)
      if (word.id === id) moments.push([word.at, `the product says that ${id} is ${word.outcome}`])
  }
  const seconds = (at: number) => ((at - evidence.startedAt) / 1000).toFixed(3).padStart(8)
  return moments
    .flatMap(([at, what]) => (at === undefined ? [] : [{ at, what }]))
    .sort((a, b) => a.at - b.at)
    .map(({ at, what }) => `${seconds(at)} s  ${what}`)
}
