// The peers in Node: the recipe everyone writes, with a queue in Redis, and Nodemailer's pool in a loop, without one.

import { openPrivateRedis } from '../../../../src/cli/private-redis.js'
import { drain } from '../drain.js'
import { openFarSink } from '../far.js'
import { connections } from '../ours.js'
import { juiceCost } from '../peers/inlined.mjs'
import { fillRecipe } from '../recipe.js'
import type { Bench, Place, Proof, Reading, Side } from '../row.js'
import { peerEntry, type Sender, startSender } from '../sender.js'
import { type SizeName, sizeOf } from '../sizes.js'
import { openCountingSink } from '../smtp-sink.js'
import { ROUND_TRIP_MS } from './ours.js'

const FEW = 12
const MANY = 60
const JUICE_RUNS = 200

interface Variant {
  /** With a queue in Redis and a job for each message. */
  readonly recipe?: boolean
  /** With the CSS inlined for each message and not beforehand. */
  readonly juice?: boolean
  readonly attachment?: boolean
  readonly dkim?: boolean
  readonly far?: boolean
}

type Proven = Side & { readonly proof: Proof }

function peerOf(
  name: string,
  size: SizeName,
  variant: Variant = {},
  proof: Proof = proofOf(variant),
): Proven {
  return { name, size, proof, run: (bench) => measure(bench, name, size, variant) }
}

function proofOf(variant: Variant): Proof {
  const { recipe, attachment, dkim } = variant
  return {
    count: attachment || dkim ? FEW : MANY,
    attachment,
    dkim,
    async start(bench, place) {
      if (recipe) await fillRecipe(place.redis, place.count, bench.signal)
      return await start(bench, place, variant)
    },
  }
}

function start(bench: Bench, { redis, port, count }: Place, variant: Variant): Promise<Sender> {
  const { recipe, juice, attachment, dkim, far } = variant
  const job = {
    port,
    connections: far ? 1 : connections,
    inlined: juice ? undefined : bench.inlined,
    ...(recipe ? { redis } : { count, attachment, dkimKey: dkim ? bench.dkimKey : undefined }),
  }
  const entry = peerEntry(recipe ? 'bullmq-recipe' : 'nodemailer-loop')
  return startSender({ entry, args: [JSON.stringify(job)] })
}

async function measure(bench: Bench, name: string, size: SizeName, variant: Variant): Promise<Reading> {
  const { recipe, juice, far } = variant
  const { signal, say } = bench
  const { warmUp, timed } = sizeOf(bench, size)
  const count = warmUp + timed
  await using redis = recipe ? await openPrivateRedis() : undefined
  await using sink = await openCountingSink()
  await using way = far ? await openFarSink(sink.port, ROUND_TRIP_MS) : undefined
  if (redis) await fillRecipe(redis.url, count, signal)
  const place: Place = { redis: redis?.url ?? '', port: way?.port ?? sink.port, count }
  const options = { who: name, warmUp, timed, signal, redis: redis?.url, say }
  const reading = await drain(sink, () => start(bench, place, variant), options)
  return juice ? { ...reading, juiceMs: juiceCost(Math.min(JUICE_RUNS, count)) } : reading
}

export const juiceEach = peerOf('BullMQ, juice each', 'juice', { recipe: true, juice: true })
export const inlined = peerOf('BullMQ, CSS inlined', 'inlined', { recipe: true })
export const pool = peerOf("Nodemailer's pool", 'pool')
export const poolSigned = peerOf("Nodemailer's pool, DKIM", 'poolSigned', { dkim: true })
export const poolAttached = peerOf("Nodemailer's pool, 1 MB attached", 'attachment', { attachment: true })
export const poolFar = peerOf("Nodemailer's pool, 20 ms away", 'far', { far: true }, pool.proof)
