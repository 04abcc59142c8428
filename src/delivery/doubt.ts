// What is said of a delivery that ended without being accepted, and may have been accepted before: it is unknown.
// The ledger alone decides which these are, since it alone knows every attempt.

/** `message` is what the last attempt ended with. */
export function doubtMessage(message: string): string {
  return `an earlier attempt may have been accepted; the last one ended with: ${message}`
}
