// The way in for one email: its content once, one job a recipient, and a receipt.
// With an idempotency key, script and deterministic ids make a repeat of any step safe.

import { createHash, randomBytes } from 'node:crypto'
import type { Content, ContentBundle } from '../content/content.js'
import { bundleEmail } from '../content/email-content.js'
import { bundleRaw, fingerprintOfRaw } from '../content/raw-content.js'
import { FluxMailError } from '../errors.js'
import type { Email } from '../message/email.js'
import { RawMessage } from '../message/raw-message.js'
import { requireSendable } from '../message/sendable.js'
import { type ContentStore, contentTtlSeconds } from '../store/contents.js'
import { type ReceiptStore, receiptTtlSeconds, unkeyedReceiptTtlSeconds } from '../store/receipts.js'
import type { LaneQueues, NewJob } from './lane-queues.js'
import { payloadOf, rowId } from './payload.js'

const defaultLane = 'transactional'

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
  email: Email | RawMessage,
  options: EnqueueOptions,
): Promise<Receipt> {
  const bundle =
    email instanceof RawMessage
      ? bundleRaw(email)
      : bundleEmail(requireSendable(email.parts, 'outlook_no_async'))
  const emailId = `e${randomBytes(12).toString('base64url')}`
  const fresh: StandingReceipt = {
    fingerprint: fingerprintOf(bundle, email, options),
    contentHash: bundle.hash,
    messageId: email.messageId,
    deliveries: email.recipients.map(({ address }, index) => ({
      id: rowId(emailId, index),
      recipient: address,
    })),
    stored: false,
  }
  const standing = await claimReceipt(context, bundle, fresh, emailId, options)
  if (standing.fingerprint !== fresh.fingerprint) throw conflict()
  if (!standing.stored) await addJobs(context, email, standing, options)
  // The ids are random: only a repeated command of this very call finds its own.
  const repeated = standing.deliveries[0]?.id !== fresh.deliveries[0]?.id
  return { messageId: standing.messageId, deliveries: standing.deliveries, repeated }
}

/** The receipt that now stands under the key: the fresh one, or that of an earlier call. */
async function claimReceipt(
  { contents, receipts, now }: EnqueueContext,
  bundle: ContentBundle,
  fresh: StandingReceipt,
  emailId: string,
  { idempotencyKey, lane = defaultLane, sendAt }: EnqueueOptions,
): Promise<StandingReceipt> {
  const waitSeconds = Math.max(0, Math.ceil(((sendAt?.getTime() ?? 0) - now()) / 1000))
  const standing = await contents.putOnce(bundle, fresh.deliveries.length, contentTtlSeconds + waitSeconds, {
    key: receipts.keyOf(digest(idempotencyKey ?? emailId)),
    json: JSON.stringify(fresh),
    ttlSeconds: idempotencyKey === undefined ? unkeyedReceiptTtlSeconds : receiptTtlSeconds,
    lane,
  })
  return standing === undefined ? fresh : (JSON.parse(standing) as StandingReceipt)
}

async function addJobs(
  { lanes, receipts, now }: EnqueueContext,
  email: Email | RawMessage,
  receipt: StandingReceipt,
  { lane = defaultLane, route, sendAt, expiresAt, idempotencyKey }: EnqueueOptions,
): Promise<void> {
  const delayMs = Math.max(0, (sendAt?.getTime() ?? 0) - now())
  const shared = { contentHash: receipt.contentHash, route, expiresAt: expiresAt?.getTime() }
  const repeatable = idempotencyKey !== undefined
  const jobs: NewJob[] = receipt.deliveries.map(({ id }, index) => {
    const recipient = email.recipients[index]
    if (recipient === undefined)
      throw new TypeError('a receipt has more deliveries than its email has recipients')
    return { id, delayMs, payload: payloadOf({ ...shared, recipient, repeatable }) }
  })
  await lanes.add(lane, jobs)
  if (idempotencyKey !== undefined) {
    await receipts.replace(digest(idempotencyKey), JSON.stringify({ ...receipt, stored: true }))
  }
}

/** What tells one email from another under the same key. */
function fingerprintOf(bundle: ContentBundle, email: Email | RawMessage, options: EnqueueOptions): string {
  const given = email instanceof RawMessage ? givenRaw(email, options) : givenPart(bundle.content)
  const bcc = email.recipients.map(({ address }) => address)
  const { lane = defaultLane, route = '', sendAt, expiresAt } = options
  return digest(JSON.stringify([given, bcc, lane, route, sendAt?.getTime() ?? 0, expiresAt?.getTime() ?? 0]))
}

/** What the caller gave, without the Message-ID and the Date that were made for it. */
function givenPart(content: Content): object {
  const { messageId: _messageId, date: _date, ...given } = { messageId: '', date: '', ...content }
  return given
}

function givenRaw(raw: RawMessage, { idempotencyKey }: EnqueueOptions): object {
  const { sender } = raw
  // Nobody asks without a key, and it takes a look at every byte.
  return idempotencyKey === undefined ? { sender } : { sender, said: fingerprintOfRaw(raw) }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function conflict(): FluxMailError {
  return new FluxMailError(
    'idempotency_conflict',
    'this idempotencyKey was used for another email or with other options; use a key of its own for each email',
  )
}
