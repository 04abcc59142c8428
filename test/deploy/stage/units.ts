// Durations and sizes as compose files write them.

/** Compose's durations: `1m30s`, `500ms`. */
export function milliseconds(duration: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)]
  if (parts.map(([part]) => part).join('') !== duration) throw new Error(`this is no duration: ${duration}`)
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (units[unit] ?? 0), 0)
}

/** `256M`, `1g`, in bytes. */
export function bytes(size: string): number {
  const [, count, unit = ''] = /^(\d+)([bkmg]?)b?$/i.exec(size) ?? []
  if (count === undefined) throw new Error(`this is no size: ${size}`)
  return Number(count) * 1024 ** 'bkmg'.indexOf(unit.toLowerCase() || 'b')
}
