// Addresses and domains that nothing is sent to. They are read where a delivery is claimed, in the same script, so that
// one that was added a moment ago holds for what had been queued before it.

import { createHash } from 'node:crypto'
import { domainOf } from '../message/address.js'
import { defineScript, type Keys, type Redis } from '../redis.js'

/** What is kept of one, as JSON: why, since when, until when, and the reply that it was added for. */
export interface StoredSuppression {
  readonly r: string
  /** Milliseconds. */
  readonly s: number
  readonly x?: number
  readonly c?: string
}

/** Lua that says why nothing is sent, by the fields of the address, of its digest and of its domain; nil where something may be. */
export const suppressedLua = `
local function standing_suppression(json, now)
  local entry = json and cjson.decode(json)
  return entry and not (entry.x and entry.x <= now) and entry or nil
end
local function suppression_of(key, now, address, domain)
  if address == '' then return nil end
  local found = redis.call('HMGET', key, address, domain, '#' .. redis.sha1hex(address))
  return standing_suppression(found[1], now) or standing_suppression(found[2], now) or standing_suppression(found[3], now)
end
`

/** Lua that adds an address for the reply `code`, unless it stands there. It goes after `suppressedLua`. */
export const suppressBounceLua = `
local function suppress_bounce(key, now, address, code)
  if standing_suppression(redis.call('HGET', key, address), now) then return end
  redis.call('HSET', key, address, '{"r":"bounce","s":' .. string.format('%.0f', now) .. ',"c":' .. cjson.encode(code) .. '}')
end
`

// KEYS suppressed. ARGV now, fields… Removes those whose time is over.
const SWEEP = `
${suppressedLua}
local swept = 0
for i = 2, #ARGV do
  if not standing_suppression(redis.call('HGET', KEYS[1], ARGV[i]), tonumber(ARGV[1])) then
    swept = swept + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return swept
`

// KEYS suppressed. ARGV field, JSON, now.
const ADOPT = `
${suppressedLua}
if standing_suppression(redis.call('HGET', KEYS[1], ARGV[1]), tonumber(ARGV[3])) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`

export interface SuppressionStore {
  /** Adds or replaces; resolves to how many had not been there. */
  put(entries: readonly (readonly [field: string, suppression: StoredSuppression])[]): Promise<number>
  /** Those fields that there are, over or not, in the order asked for. */
  get(fields: readonly string[]): Promise<(StoredSuppression | undefined)[]>
  /** Whether nothing is sent to an address in the normal form of the wire. */
  covers(address: string, now: number): Promise<boolean>
  remove(field: string): Promise<boolean>
  /** Pages of all, in no order; one that is written at the same time may come twice. */
  pages(): AsyncGenerator<[field: string, suppression: StoredSuppression][]>
  /** Removes those of the fields whose time is over. */
  sweep(fields: readonly string[], now: number): Promise<void>
  /** Adds an address that bounced elsewhere, unless it stands here. */
  adopt(field: string, suppression: StoredSuppression, now: number): Promise<void>
  /** Some of those that bounced here, of whom the other shards have not heard. */
  bounced(): Promise<string[]>
  /** Says that they have heard. */
  carried(fields: readonly string[]): Promise<void>
}

const PAGE = 1_000
const BOUNCED_AT_ONCE = 500

export function createSuppressionStore(redis: Redis, keys: Keys): SuppressionStore {
  const sweep = defineScript(redis, 'fluxmailSweepSuppressed', 1, SWEEP)
  const adopt = defineScript(redis, 'fluxmailAdoptSuppressed', 1, ADOPT)
  const get: SuppressionStore['get'] = async (fields) => {
    const found = await redis.hmget(keys.suppressed, ...fields)
    return found.map((json) => (json === null ? undefined : (JSON.parse(json) as StoredSuppression)))
  }
  return {
    async put(entries) {
      const pairs = entries.flatMap(([field, suppression]) => [field, JSON.stringify(suppression)])
      return pairs.length === 0 ? 0 : redis.hset(keys.suppressed, ...pairs)
    },
    get,
    async covers(address, now) {
      const [own, domain] = suppressionFields(address)
      const found = await get([own, domain, forgottenField(own)])
      return found.some((each) => each !== undefined && !(each.x !== undefined && each.x <= now))
    },
    remove: async (field) => (await redis.hdel(keys.suppressed, field)) === 1,
    async *pages() {
      let cursor = '0'
      do {
        const [next, flat] = await redis.hscan(keys.suppressed, cursor, 'COUNT', PAGE)
        cursor = next
        yield pairsOf(flat)
      } while (cursor !== '0')
    },
    async sweep(fields, now) {
      if (fields.length > 0) await sweep([keys.suppressed], [now, ...fields])
    },
    async adopt(field, suppression, now) {
      await adopt([keys.suppressed], [field, JSON.stringify(suppression), now])
    },
    bounced: () => redis.srandmember(keys.bounced, BOUNCED_AT_ONCE),
    async carried(fields) {
      await redis.srem(keys.bounced, ...fields)
    },
  }
}

function pairsOf(flat: readonly string[]): [string, StoredSuppression][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [
    flat[2 * index] ?? '',
    JSON.parse(flat[2 * index + 1] ?? '{}') as StoredSuppression,
  ])
}

/** The fields that suppress an address in the normal form of the wire: its own, which knows no case, and its domain's. */
export function suppressionFields(address: string): readonly [own: string, domain: string] {
  return [address.toLowerCase(), `@${domainOf(address)}`]
}

/** The field of an address that was forgotten and that nothing is sent to all the same: a digest of its own field. */
export function forgottenField(own: string): string {
  return `#${createHash('sha1').update(own).digest('hex')}`
}
