// What the local part of a recipient orders the sink to do, so that a test or a demo chooses
// each fault by the address alone. Pure: it never counts, waits or writes.

/** What to do with a recipient, or with the message it receives. */
export type Order =
  | { readonly kind: 'accept' }
  | { readonly kind: 'defer'; readonly times: number }
  | { readonly kind: 'reject' }
  | { readonly kind: 'full' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'lost' }

/** A reply to RCPT that refuses the recipient; 421 closes the connection as well. */
export interface Refusal {
  readonly code: number
  readonly text: string
}

const numbered = /^(defer|slow)-(\d{1,6}(?:\.\d{1,3})?)-/i
const plain = /^(reject|full|busy|cut|lost)-/i

/** The table that the inbox page and the command's help show. */
export const orderHelp: readonly { readonly address: string; readonly effect: string }[] = [
  { address: 'defer-2-x@', effect: 'answers 451 twice, then accepts' },
  { address: 'reject-x@', effect: 'answers 550 5.1.1' },
  { address: 'full-x@', effect: 'answers 452 4.2.2' },
  { address: 'busy-x@', effect: 'answers 421 and closes' },
  { address: 'slow-3-x@', effect: 'accepts after 3 seconds' },
  { address: 'cut-x@', effect: 'closes in place of the 354 after DATA' },
  { address: 'lost-x@', effect: 'records the message, then closes without a reply' },
]

/** The order in an address; any address without one is accepted. `slow-0.5-x@` is half a second. */
export function parseOrder(address: string): Order {
  const [, word = '', number = ''] = numbered.exec(address) ?? plain.exec(address) ?? []
  switch (word.toLowerCase()) {
    case 'defer':
      return { kind: 'defer', times: Math.floor(Number(number)) }
    case 'slow':
      return { kind: 'slow', ms: Number(number) * 1000 }
    case 'reject':
      return { kind: 'reject' }
    case 'full':
      return { kind: 'full' }
    case 'busy':
      return { kind: 'busy' }
    case 'cut':
      return { kind: 'cut' }
    case 'lost':
      return { kind: 'lost' }
    default:
      return { kind: 'accept' }
  }
}

/**
 * The reply that an order gives to RCPT, or undefined to accept.
 * `deferrals` is how often this address was deferred before.
 */
export function refusalOf(order: Order, address: string, deferrals: number): Refusal | undefined {
  switch (order.kind) {
    case 'defer':
      return deferrals < order.times
        ? { code: 451, text: `4.7.1 <${address}>: Recipient address rejected: Greylisted, try again later` }
        : undefined
    case 'reject':
      return { code: 550, text: `5.1.1 <${address}>: Recipient address rejected: User unknown` }
    case 'full':
      return { code: 452, text: `4.2.2 <${address}>: Recipient address rejected: Mailbox is full` }
    case 'busy':
      return { code: 421, text: '4.3.2 Service not available, closing transmission channel' }
    default:
      return undefined
  }
}

/** How long the reply to the final dot waits: the longest that any recipient orders. */
export function replyDelayMs(recipients: readonly string[], latencyMs: number): number {
  return recipients.map(parseOrder).reduce((ms, order) => {
    return order.kind === 'slow' ? Math.max(ms, order.ms) : ms
  }, latencyMs)
}

/** Whether one of the recipients carries this order. */
export function anyOrders(recipients: readonly string[], kind: Order['kind']): boolean {
  return recipients.some((address) => parseOrder(address).kind === kind)
}
