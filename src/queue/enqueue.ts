// The way in for one email: its content once, one job a recipient, and a receipt.
// With an idempotency key, script and deterministic ids make a repeat of any step safe.

import { createHash, randomBytes } from 'node:crypto'
import type { ContentBundle } from '../content/content.js'
import { bundleEmail } from '../content/email-content.js'
import { FluxMailError } from '../errors.js'
import type { Email } from '../message/email.js'
import { type ContentStore, contentTtlSeconds } from '../store/contents.js'
import { type ReceiptStore, receiptTtlSeconds } from '../store/receipts.js'
import type { LaneQueues, NewJob } from './lane-queues.js'
import { payloadOf } from './payload.js'

export interface EnqueueOptions {
  /** Default `transactional`. */
  lane?: string | undefined
  /** The route of relays; the worker's `default` unless given. */
  route?: string | undefined
  /** The same key with the same email is enqueued once in a day; with another email it is `idempotency_conflict`. */
  idempotencyKey?: string | undefined
  /** Not before this instant. */
  sendAt?: Date | undefined
  /** Not after this instant: a delivery that is still pending then fails as `expired`. */
  expiresAt?: Date | undefined
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
  now(): number
}

/** What stands under an idempotency key. */
interface StandingReceipt {
  readonly fingerprint: string
  readonly contentHash: string
  readonly messageId: string
  readonly deliveries: Receipt['deliveries']
  readonly stored: boolean
}

export async function enqueueEmail(
  context: EnqueueContext,
  email: Email,
  options: EnqueueOptions,
): Promise<Receipt> {
  const bundle = bundleEmail(email.parts)
  const emailId =
    options.idempotencyKey === undefined ? randomId() : `k${digest(options.idempotencyKey).slice(0, 24)}`
  const fresh: StandingReceipt = {
    fingerprint: fingerprintOf(bundle, email, options),
    contentHash: bundle.hash,
    messageId: email.messageId,
    deliveries: email.recipients.map(({ address }, index) => ({
      id: `${emailId}.${index + 1}`,
      recipient: address,
    })),
    stored: false,
  }
  const standing = await claimReceipt(context, bundle, fresh, options)
  if (standing && standing.fingerprint !== fresh.fingerprint) throw conflict()
  const receipt = standing ?? fresh
  if (!receipt.stored) await addJobs(context, email, receipt, options)
  return { messageId: receipt.messageId, deliveries: receipt.deliveries, repeated: standing !== undefined }
}

async function claimReceipt(
  { contents, receipts, now }: EnqueueContext,
  bundle: ContentBundle,
  fresh: StandingReceipt,
  options: EnqueueOptions,
): Promise<StandingReceipt | undefined> {
  const waitSeconds = Math.max(0, Math.ceil(((options.sendAt?.getTime() ?? 0) - now()) / 1000))
  const lifetime = contentTtlSeconds + waitSeconds
  const { idempotencyKey } = options
  if (idempotencyKey === undefined) {
    await contents.put(bundle, fresh.deliveries.length, lifetime)
    return undefined
  }
  const claim = {
    key: receipts.keyOf(digest(idempotencyKey)),
    json: JSON.stringify(fresh),
    ttlSeconds: receiptTtlSeconds,
  }
  const standing = await contents.put(bundle, fresh.deliveries.length, lifetime, claim)
  return standing === undefined ? undefined : (JSON.parse(standing) as StandingReceipt)
}

async function addJobs(
  { lanes, receipts, now }: EnqueueContext,
  email: Email,
  receipt: StandingReceipt,
  options: EnqueueOptions,
): Promise<void> {
  const delayMs = Math.max(0, (options.sendAt?.getTime() ?? 0) - now())
  const expiresAt = options.expiresAt?.getTime()
  const jobs: NewJob[] = receipt.deliveries.map(({ id }, index) => {
    const recipient = email.recipients[index]
    if (recipient === undefined)
      throw new TypeError('a receipt has more deliveries than its email has recipients')
    return {
      id,
      delayMs,
      payload: payloadOf({ contentHash: receipt.contentHash, recipient, route: options.route, expiresAt }),
    }
  })
  const lane = options.lane ?? 'transactional'
  await lanes.add(lane, jobs)
  if (options.idempotencyKey === undefined) return receipts.accept(lane, jobs.length)
  const after = JSON.stringify({ ...receipt, stored: true })
  await receipts.acceptOnce(lane, jobs.length, digest(options.idempotencyKey), JSON.stringify(receipt), after)
}

/** What the caller gave, without the Message-ID and the Date that were made for it. */
function fingerprintOf(bundle: ContentBundle, email: Email, options: EnqueueOptions): string {
  const { messageId: _messageId, date: _date, ...given } = { messageId: '', date: '', ...bundle.content }
  const bcc = email.recipients.map(({ address }) => address)
  const { lane = 'transactional', route = '', sendAt, expiresAt } = options
  return digest(JSON.stringify([given, bcc, lane, route, sendAt?.getTime() ?? 0, expiresAt?.getTime() ?? 0]))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function randomId(): string {
  return `e${randomBytes(12).toString('hex')}`
}

function conflict(): FluxMailError {
  return new FluxMailError(
    'idempotency_conflict',
    'this idempotencyKey was used for another email or with other options; use a key of its own for each email',
  )
}
