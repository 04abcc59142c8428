// Our side: a batch that is in Redis already, and one worker process that drains it.

import { openPrivateRedis } from '../../../../src/cli/private-redis.js'
import type { RelayOptions } from '../../../../src/index.js'
import { drain } from '../drain.js'
import { openFarSink } from '../far.js'
import { megabyte } from '../fixture/mail.mjs'
import { enqueueNewsletter, requireSent, startOurs } from '../ours.js'
import { openRedisUsage, type RedisUsage } from '../redis-usage.js'
import type { Bench, Place, Proof, Reading, Side } from '../row.js'
import { type SizeName, sizeOf } from '../sizes.js'
import { type CountingSink, openCountingSink } from '../smtp-sink.js'

export const ROUND_TRIP_MS = 20
/** Bytes. What is smaller is no part of an attachment: jobs, and rows in chunks. */
const LARGE_KEY = 65_536
const FEW = 12
const MANY = 60

interface Variant {
  readonly attachment?: boolean
  readonly dkim?: boolean
  /** Over one connection to a relay that is so far away. */
  readonly far?: boolean
  most?(bench: Bench): number | undefined
}

type Proven = Side & { readonly proof: Proof }

function oursOf(
  name: string,
  size: SizeName,
  variant: Variant = {},
  proof: Proof = proofOf(variant),
): Proven {
  return {
    name,
    size,
    proof,
    ...(variant.most && { most: variant.most }),
    run: (bench) => measure(bench, name, size, variant),
  }
}

function proofOf({ attachment, dkim, far }: Variant): Proof {
  return {
    count: attachment || dkim ? FEW : MANY,
    attachment,
    dkim,
    async start(bench, place) {
      await enqueueNewsletter(place.redis, place.count, { attachment, signal: bench.signal })
      return await startOurs({ ...place, relay: relayOf(bench, { dkim, far }) })
    },
  }
}

type RelayVariant = { readonly dkim: boolean | undefined; readonly far: boolean | undefined }

function relayOf(bench: Bench, { dkim, far }: RelayVariant): Partial<RelayOptions> {
  const key = { domainName: 'garden.example', keySelector: 'bench', privateKeyFile: bench.dkimKey }
  return { ...(dkim && { dkim: key }), ...(far && { maxConnectionsPerWorker: 1, pipelineMessages: true }) }
}

async function measure(bench: Bench, name: string, size: SizeName, variant: Variant): Promise<Reading> {
  const { attachment, dkim, far } = variant
  const { signal, say } = bench
  const { warmUp, timed } = sizeOf(bench, size)
  const count = warmUp + timed
  await using redis = await openPrivateRedis()
  await using usage = openRedisUsage(redis.url)
  await using sink = await openCountingSink()
  await using way = far ? await openFarSink(sink.port, ROUND_TRIP_MS) : undefined
  await enqueueNewsletter(redis.url, count, { attachment, signal })
  const copies = attachment ? copiesMeanwhile(usage, sink, warmUp, signal) : undefined
  // Nobody waits for it where the drain fails.
  copies?.catch(() => undefined)
  const place: Place = { redis: redis.url, port: way?.port ?? sink.port, count }
  const start = () => startOurs({ ...place, relay: relayOf(bench, { dkim, far }) })
  const reading = await drain(sink, start, { who: name, warmUp, timed, signal, redis: redis.url, say })
  await requireSent(redis.url, count)
  return copies === undefined ? reading : { ...reading, copies: await copies }
}

/** Of a batch that waits, or of one that is under way, whichever is more; nothing is timed yet. */
async function copiesMeanwhile(
  usage: RedisUsage,
  sink: CountingSink,
  warmUp: number,
  signal: AbortSignal,
): Promise<number> {
  const waiting = await usage.largeKeys(LARGE_KEY)
  const started = await sink.reached(Math.ceil(warmUp / 2), signal).catch(() => undefined)
  const underWay = started === undefined ? 0 : await usage.largeKeys(LARGE_KEY)
  return Math.max(waiting, underWay) / megabyte().length
}

export const newsletter = oursOf('FluxMail', 'newsletter')
export const signed = oursOf('FluxMail, DKIM', 'signed', { dkim: true })
export const attached = oursOf('FluxMail, 1 MB attached', 'attachment', { attachment: true })
export const farAway = oursOf('FluxMail, 20 ms away', 'far', { far: true })
/** A million takes long enough once. */
export const long = oursOf(
  'FluxMail, long batch',
  'long',
  { most: ({ full }) => (full ? 1 : undefined) },
  newsletter.proof,
)
