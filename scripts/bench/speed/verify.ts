// What is sent, looked at apart from any timing: each side sends some messages to our own sink, which keeps them, and
// every one is parsed and compared with its row. A message missing, twice or different fails the command.

import { setTimeout as sleep } from 'node:timers/promises'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { type ParsedMail, simpleParser } from 'mailparser'
import nunjucks from 'nunjucks'
import { openPrivateRedis } from '../../../src/cli/private-redis.js'
import { openSink, type Sink } from '../../../src/sink/sink.js'
import { WrongResult } from '../command.js'
import { megabyte, newsletter, rowsOf } from './fixture/mail.mjs'
import type { Bench, Proof, Side } from './row.js'

export interface Verified {
  readonly name: string
  readonly messages: number
  /** Of a message on the wire, the mean. */
  readonly bytes: number
}

const AT_ONCE = 2
/** When it is clear that no more will come, and what comes after the last one. */
const PATIENCE_MS = 60_000
const AFTERWARDS_MS = 150

type RowValues = Readonly<Record<string, string>>

/** Of the sides that have something to be looked at, in their order; what two of them have in common once. */
export async function verifyAll(sides: readonly Side[], bench: Bench): Promise<Verified[]> {
  const proofs = new Map<Proof, string>()
  for (const { name, proof, absent } of sides)
    if (proof && !proofs.has(proof) && absent?.(bench) === undefined) proofs.set(proof, name)
  const verified: Verified[] = []
  const waiting = [...proofs].entries()
  const failed = new AbortController()
  const signal = AbortSignal.any([bench.signal, failed.signal])
  const next = async () => {
    for (const [index, [proof, name]] of waiting)
      verified[index] = await verify(name, proof, { ...bench, signal })
  }
  const stop = (error: unknown) => failed.abort(error)
  // What another has open is put away first.
  await Promise.all(Array.from({ length: AT_ONCE }, () => next().catch(stop)))
  signal.throwIfAborted()
  return verified
}

/** @throws WrongResult which says who and what */
export async function verify(
  name: string,
  proof: Proof,
  bench: Bench,
  patienceMs = PATIENCE_MS,
): Promise<Verified> {
  const messages = await taken(proof, bench, proof.count, patienceMs)
  const bytes = await compareAll(name, proof, bench, messages)
  return { name, messages: proof.count, bytes: bytes / proof.count }
}

/** One message as this side puts it on the wire. */
export async function builtMessage(bench: Bench, proof: Proof): Promise<Buffer> {
  const [message] = await taken(proof, bench, 1, PATIENCE_MS)
  if (!message) throw new WrongResult('nothing arrived')
  return message.bytes
}

/** What arrived when all did, or nothing any more. */
async function taken(
  proof: Proof,
  bench: Bench,
  count: number,
  patienceMs: number,
): Promise<Sink['messages']> {
  await using redis = await openPrivateRedis()
  await using sink = await openSink({ httpPort: false })
  await using sender = await proof.start(bench, { redis: redis.url, port: sink.smtpPort, count })
  const stop = AbortSignal.any([bench.signal, sender.lost])
  try {
    await sink.waitForMessages(count, AbortSignal.any([stop, AbortSignal.timeout(patienceMs)]))
    await sleep(AFTERWARDS_MS, undefined, { signal: stop })
  } catch (error) {
    stop.throwIfAborted()
    if (sink.messages.length === count || !(error instanceof Error)) throw error
  }
  return [...sink.messages]
}

/** The bytes of all messages together. */
async function compareAll(
  name: string,
  proof: Proof,
  bench: Bench,
  arrived: Sink['messages'],
): Promise<number> {
  const messages = new Map(arrived.map(({ to, bytes }) => [to.join(), bytes]))
  let bytes = 0
  for (const row of rowsOf(proof.count)) {
    const message = messages.get(row.to)
    if (!message) throw new WrongResult(`${name}: the message for ${row.to} did not arrive`)
    bytes += message.length
    const problem = await differenceOf(message, row, proof, bench)
    if (problem !== undefined) throw new WrongResult(`${name}: the message for ${row.to} has ${problem}`)
  }
  if (arrived.length === proof.count) return bytes
  throw new WrongResult(`${name}: ${arrived.length} messages arrived, and ${proof.count} were to be sent`)
}

async function differenceOf(
  message: Buffer,
  row: RowValues,
  { attachment, dkim, plainHeaders }: Proof,
  { dkimRecord }: Bench,
): Promise<string | undefined> {
  const mail = await simpleParser(message)
  const part = difference(mail, row, { ownHeaders: !plainHeaders })
  if (part !== undefined) return `another ${part}`
  const files = mail.attachments.map(({ content }) => content)
  if (files.length !== (attachment ? 1 : 0)) return `${files.length} attachments`
  if (attachment && files[0]?.compare(megabyte()) !== 0) return 'another attachment'
  if (!dkim) return undefined
  const { results } = await dkimVerify(message, { resolver: async () => [[dkimRecord]] })
  return results[0]?.status.result === 'pass' ? undefined : 'no valid signature'
}

const plain = new nunjucks.Environment(null, { autoescape: false })
const escaped = new nunjucks.Environment(null, { autoescape: true })

/** Which part of a message is not what its row makes of the fixture. */
export function difference(mail: ParsedMail, row: RowValues, { ownHeaders = true } = {}): string | undefined {
  const member = mail.headers.get('x-member')
  if (mail.subject !== plain.renderString(newsletter.subject, row)) return 'subject'
  if (ownHeaders && member !== plain.renderString(newsletter.memberHeader, row)) return 'header'
  if (trimmed(mail.text) !== trimmed(plain.renderString(newsletter.text, row))) return 'text part'
  const html = mail.html === false ? '' : mail.html
  return visible(html) === visible(escaped.renderString(newsletter.html, row)) ? undefined : 'HTML part'
}

const trimmed = (text: string | undefined) => text?.replaceAll('\r\n', '\n').trim()

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
}

/** What inlining must leave as it is: the text between the tags, and where links lead. */
export function visible(html: string): string {
  const body = html.slice(html.indexOf('<body'))
  const links = [...body.matchAll(/href="([^"]*)"/g)].map(([, link]) => link)
  const text = body.replaceAll(/<[^>]*>/g, ' ')
  return [text, ...links]
    .join(' ')
    .replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? entity)
    .replaceAll(/\s+/g, ' ')
    .trim()
}
