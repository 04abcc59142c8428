// The way in for one email: its content once, one job a recipient, and a receipt.
// Jobs, receipt and count are one transaction: a caller that dies leaves either all of them or none.

import { createHash, randomBytes } from 'node:crypto'
import type { ContentBundle } from '../content/content.js'
import { bundleEmail } from '../content/email-content.js'
import { bundleRaw } from '../content/raw-content.js'
import { nextOpening, type SendWindow, windowText } from '../delivery/send-window.js'
import { FluxMailError } from '../errors.js'
import type { Email } from '../message/email.js'
import { RawMessage } from '../message/raw-message.js'
import { requireSendable } from '../message/sendable.js'
import type { ContentStore } from '../store/contents.js'
import {
  type ReceiptStore,
  type Reservation,
  type Standing,
  type StoredReceipt,
  unkeyedReceiptTtlSeconds,
} from '../store/receipts.js'
import type { Room } from '../store/room.js'
import { fingerprintOf } from './fingerprint.js'
import type { LaneQueues, NewJob } from './lane-queues.js'
import { payloadOf, rowId } from './payload.js'

export const defaultLane = 'transactional'

/** A content or a key without its jobs, as a caller that died leaves it, is gone after an hour. */
const STAGED_TTL_SECONDS = 3600
/** A caller that stood still for so long begins anew: its content may be gone, and its email sent by another. */
const MAX_PAUSE_MS = 10 * 60_000

export interface EnqueueOptions {
  /** Default `transactional`. */
  lane?: string | undefined
  /** The route of relays; the worker's `default` unless given. */
  route?: string | undefined
  /** The same key with the same email is enqueued once; with another email it is `idempotency_conflict`. */
  idempotencyKey?: string | undefined
  /** How long the key is remembered; default that of the MailQueue, a day. */
  idempotencyTtlSeconds?: number | undefined
  /** Not before this instant. */
  sendAt?: Date | undefined
  /** Not after this instant: a delivery that is still pending then fails as `expired`. */
  expiresAt?: Date | undefined
  /** The days and hours in which it may be sent; outside of them it is held. */
  sendWindow?: SendWindow | undefined
}

export interface Receipt {
  readonly messageId: string
  /** One for each recipient of To, Cc and Bcc, each address once. */
  readonly deliveries: readonly { readonly id: string; readonly recipient: string }[]
  /** True when the same idempotency key had enqueued the same email before. */
  readonly repeated: boolean
}

export interface EnqueueContext {
  readonly contents: ContentStore
  readonly receipts: ReceiptStore
  readonly lanes: LaneQueues
  readonly room: Room
  /** How long an idempotency key is remembered unless the call says otherwise. */
  readonly idempotencyTtlSeconds: number
  now(): number
  /** As far as it is known without a look-up. */
  providerOf(address: string): string
}

interface Intake {
  readonly context: EnqueueContext
  readonly email: Email | RawMessage
  readonly bundle: ContentBundle
  readonly options: EnqueueOptions
  /** What the receipt is stored under. */
  readonly digest: string
  readonly ttlSeconds: number
  readonly begunAt: number
}

/** Enqueues one email, or finds the receipt of the same one under its key. */
export async function enqueueEmail(
  context: EnqueueContext,
  email: Email | RawMessage,
  options: EnqueueOptions,
): Promise<Receipt> {
  const bundle =
    email instanceof RawMessage
      ? bundleRaw(email)
      : bundleEmail(requireSendable(email.parts, 'outlook_no_async'))
  const emailId = `e${randomBytes(12).toString('base64url')}`
  const { idempotencyKey, idempotencyTtlSeconds = context.idempotencyTtlSeconds } = options
  const isKeyed = idempotencyKey !== undefined
  const fresh: Reservation = {
    // It takes a look at every byte, and without a key nobody compares.
    fingerprint: isKeyed ? fingerprintOf(bundle, email, fixedOptions(options)) : '',
    deliveries: email.recipients.map(({ address }, index) => ({
      id: rowId(emailId, index),
      recipient: address,
    })),
  }
  const intake: Intake = {
    context,
    email,
    bundle,
    options,
    digest: keyDigest(idempotencyKey ?? emailId),
    ttlSeconds: isKeyed ? idempotencyTtlSeconds : unkeyedReceiptTtlSeconds,
    begunAt: context.now(),
  }
  const stored = isKeyed ? await enqueueOnce(intake, fresh) : await store(intake, fresh)
  // The ids are random: only a repeated command of this very call finds its own.
  const repeated = stored.deliveries[0]?.id !== fresh.deliveries[0]?.id
  return { messageId: stored.messageId, deliveries: stored.deliveries, repeated }
}

async function enqueueOnce(intake: Intake, fresh: Reservation): Promise<StoredReceipt> {
  const { receipts } = intake.context
  // However short a key is remembered, it stands for this email until its jobs are there.
  const ttlSeconds = Math.max(intake.ttlSeconds, STAGED_TTL_SECONDS)
  const standing: Standing = (await reserve(intake, fresh, ttlSeconds)) ?? fresh
  if (standing.fingerprint !== fresh.fingerprint) throw conflict()
  if (standing.messageId !== undefined) return standing
  const own = await store(intake, standing)
  // Another caller of the same key may have been first: what it stored is what is sent.
  const stored = await receipts.read(intake.digest)
  return stored?.messageId === undefined ? own : stored
}

/** What stands takes no more room; a reservation would, and nobody gives it back for as long as the key is remembered. */
async function reserve(
  { context, digest }: Intake,
  fresh: Reservation,
  ttlSeconds: number,
): Promise<Standing | undefined> {
  const { receipts, room } = context
  try {
    await room.check()
  } catch (full) {
    const standing = await receipts.read(digest)
    if (standing?.messageId === undefined) throw full
    return standing
  }
  return receipts.reserve(digest, fresh, ttlSeconds)
}

/** Stores content, jobs and receipt; all but the content at once, and only if no other caller of the key has. */
async function store(intake: Intake, reservation: Reservation): Promise<StoredReceipt> {
  const { context, bundle, options, email, digest, ttlSeconds } = intake
  const { lane = defaultLane } = options
  const { fingerprint, deliveries } = reservation
  const receipt: StoredReceipt = { fingerprint, deliveries, messageId: email.messageId }
  const delayMs = delayOf(options, context.now())
  await context.room.check()
  await context.contents.put(bundle)
  const commit = context.receipts.commit({
    digest,
    receipt,
    ttlSeconds,
    lane,
    contentHash: bundle.hash,
    witness: context.lanes.keyOf(lane, deliveries.at(-1)?.id ?? ''),
  })
  if (context.now() - intake.begunAt > MAX_PAUSE_MS) throw stoodStill()
  await context.lanes.add(lane, jobsOf(intake, reservation, delayMs), commit)
  return receipt
}

/** Until the first instant at which it may be sent. */
function delayOf({ sendAt, sendWindow }: EnqueueOptions, now: number): number {
  const earliest = Math.max(now, sendAt?.getTime() ?? 0)
  return (sendWindow ? nextOpening(sendWindow, earliest) : earliest) - now
}

function jobsOf(
  { context, email, bundle, options }: Intake,
  reservation: Reservation,
  delayMs: number,
): NewJob[] {
  const { route, expiresAt, idempotencyKey, sendWindow } = options
  const shared = { contentHash: bundle.hash, route, expiresAt: expiresAt?.getTime(), sendWindow }
  const repeatable = idempotencyKey !== undefined
  return reservation.deliveries.map(({ id }, index) => {
    const recipient = email.recipients[index]
    if (recipient === undefined)
      throw new TypeError('a receipt has more deliveries than its email has recipients')
    const provider = context.providerOf(recipient.address)
    return { id, delayMs, provider, payload: payloadOf({ ...shared, recipient, repeatable }) }
  })
}

/** What a caller chose beside the email, and may not choose otherwise under the same key. */
function fixedOptions({ lane = defaultLane, route = '', sendAt, expiresAt, sendWindow }: EnqueueOptions) {
  const instants = [sendAt?.getTime() ?? 0, expiresAt?.getTime() ?? 0]
  return [lane, route, ...instants, ...(sendWindow ? [windowText(sendWindow)] : [])]
}

/** What the receipt of a key is stored under. */
export function keyDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function stoodStill(): FluxMailError {
  return new FluxMailError(
    'queue_unavailable',
    `this process or Redis stood still for over ${MAX_PAUSE_MS / 60_000} min; nothing was enqueued: enqueue it again`,
  )
}

function conflict(): FluxMailError {
  return new FluxMailError(
    'idempotency_conflict',
    'this idempotencyKey was used for another email or with other options; use a key of its own for each email',
  )
}
