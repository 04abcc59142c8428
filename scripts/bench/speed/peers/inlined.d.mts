export function inlinedNewsletter(): string
export function juiceCost(count: number): number
