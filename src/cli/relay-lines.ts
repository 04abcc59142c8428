// The circuits of the relays, and the senders that they refuse, as a person reads them.

import type { Fault } from '../delivery/outcome.js'
import type { RelayStatus } from '../store/relay-status.js'
import { cut, visible } from '../terminal/text.js'
import { type Context, columnsOf, paintFor } from './context.js'
import { instant } from './status-lines.js'

export const faults: Readonly<Record<Fault, string>> = {
  connect: 'it cannot be reached',
  auth: 'it refuses the login',
  relay: 'it is in trouble',
  sender: 'it refuses one sender after the other',
  policy: 'it asks for less mail',
}

const SENDERS_SHOWN = 10

export function relayLines(relays: readonly RelayStatus[], context: Context): string[] {
  if (relays.length === 0) return ['no worker had a relay within the last day']
  return relays.flatMap((relay) => linesOf(relay, context))
}

/** Only what is not as it should be, under an empty line; nothing when all is well. */
export function troubleLines(relays: readonly RelayStatus[], context: Context): string[] {
  const troubled = relays.filter(({ circuit, senders }) => circuit !== 'closed' || senders.length > 0)
  return troubled.length === 0 ? [] : ['', ...relayLines(troubled, context)]
}

function linesOf(status: RelayStatus, context: Context): string[] {
  const { relay, circuit, fault, reply, openedAt, nextProbeAt, senders } = status
  const columns = columnsOf(context.stdout)
  const paint = paintFor(context.stdout, context.env)
  const why = fault && openedAt ? `, ${faults[fault]}, since ${instant(openedAt)}` : ''
  const text = cut(`relay ${relay}: circuit ${circuit}${why}`, columns)
  const head = circuit === 'open' ? paint('red', text) : circuit === 'closed' ? text : paint('yellow', text)
  const held = senders
    .slice(0, SENDERS_SHOWN)
    .flatMap(({ sender, nextTryAt, reply: said }) => [
      cut(`  refuses ${visible(sender)}; next try ${instant(nextTryAt)}`, columns),
      ...(said ? [cut(`    it said: ${visible(said)}`, columns)] : []),
    ])
  const more = senders.length - SENDERS_SHOWN
  return [
    head,
    ...(reply ? [cut(`  it said: ${visible(reply)}`, columns)] : []),
    ...(nextProbeAt ? [`  next probe ${instant(nextProbeAt)}`] : []),
    ...held,
    ...(more > 0 ? [`  and ${more} senders more`] : []),
  ]
}
