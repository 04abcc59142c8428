// The share of permits and connections that a lane is sure of, whatever waits in the others.

/** Of the lanes built in; others have none unless given. */
export const defaultShares = { transactional: 0.5, bulk: 0.25 } as const

export function shareOf(lane: string, given: number | undefined): number {
  return given ?? (isBuiltIn(lane) ? defaultShares[lane] : 0)
}

function isBuiltIn(lane: string): lane is keyof typeof defaultShares {
  return Object.hasOwn(defaultShares, lane)
}

/** What is wrong with the shares of `lanes`, undefined where nothing is. */
export function sharesProblem(
  lanes: Readonly<Record<string, { readonly share?: number | undefined }>>,
): string | undefined {
  const shares = Object.entries(lanes).map(([lane, { share }]) => [lane, shareOf(lane, share)] as const)
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  if (total <= 1 + Number.EPSILON * shares.length) return undefined
  const each = shares.map(([lane, share]) => `${lane} ${share}`).join(', ')
  return `the shares of all lanes together must be at most 1, and are ${Number(total.toFixed(3))} (${each}); give a lower share`
}
