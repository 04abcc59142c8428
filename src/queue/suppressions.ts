// The addresses and domains that nothing is sent to, as the app sees them. Every address is in the normal form of the
// wire, so that what is looked up is what stands in RCPT TO; upper and lower case of the local part are taken as one.

import { z } from 'zod'
import type { Clock } from '../clock.js'
import { readWith } from '../config.js'
import { FluxMailError, guarded, messageOf } from '../errors.js'
import { parseMailbox } from '../message/address.js'
import { normalizeDomain } from '../message/domain.js'
import { quoted } from '../message/field-error.js'
import {
  forgottenField,
  type StoredSuppression,
  type SuppressionStore,
  suppressionFields,
} from '../store/suppressions.js'

export interface Suppression {
  /**
   * `ada@example.com`, its local part in lower case, or `@example.com` for all of a domain, subdomains not included; of
   * an address that was forgotten `#` and its SHA-1.
   */
  readonly address: string
  /** Such as `manual`, `bounce` or `complaint`. */
  readonly reason: string
  readonly since: Date
  /** It ends by itself at this instant; missing where it does not. */
  readonly expiresAt?: Date
  /** The reply that it was added for, such as `550 5.1.1`. */
  readonly code?: string
}

export interface SuppressionOptions {
  /** 1 to 100 characters; default `manual`. */
  reason?: string | undefined
  /** Default now. */
  since?: Date | undefined
  expiresAt?: Date | undefined
}

/** What is imported: an address or `@domain`, alone or with what is known of it. */
export type SuppressionInput = string | ({ address: string } & SuppressionOptions)

export interface SuppressionImportOptions extends SuppressionOptions {
  /** Hears of each entry that is neither an address nor a domain; `index` counts from 0. */
  onReject?: ((entry: unknown, error: FluxMailError, index: number) => unknown) | undefined
}

export interface SuppressionImport {
  readonly added: number
  /** Those that were there before; what was imported stands in their place. */
  readonly replaced: number
  readonly rejected: number
}

export interface SuppressionsContext {
  readonly store: SuppressionStore
  readonly clock: Pick<Clock, 'now'>
  /** Runs what talks to Redis. */
  run<T>(command: () => Promise<T>): Promise<T>
  /** Runs what writes, and resolves once it is as durable as the queue was told to be. */
  write<T>(command: () => Promise<T>): Promise<T>
}

const instant = z.date('must be a Date')
const schema = z.strictObject({
  reason: z.string().min(1).max(100).default('manual'),
  since: instant.optional(),
  expiresAt: instant.optional(),
})
const PAGE = 1_000

type Entry = readonly [field: string, suppression: StoredSuppression]

/** Read where a delivery is claimed: what is added holds for all that has not reached the wire by then. */
export class Suppressions {
  readonly #context: SuppressionsContext

  /** @internal Comes from `queue.suppressions`. */
  constructor(context: SuppressionsContext) {
    this.#context = context
  }

  /**
   * Adds an address or `@domain`, or replaces what stood there.
   *
   * @throws FluxMailError `invalid_email`, `no_email`, `invalid_params`, `queue_unavailable`
   */
  async add(address: string, options: SuppressionOptions = {}): Promise<Suppression> {
    const { store, write } = this.#context
    const [field, stored] = this.#entryOf(address, options)
    await write(() => store.put([[field, stored]]))
    return suppressionOf(field, stored)
  }

  /** Resolves to whether it was there. */
  async remove(address: string): Promise<boolean> {
    const { store, write } = this.#context
    const field = parseField(address)
    const removed = await write(() => store.remove(field))
    // It may have been forgotten.
    const wasForgotten = await write(() => store.remove(forgottenField(field)))
    return removed || wasForgotten
  }

  /** Whether nothing is sent to an address now: for its own sake or for its domain's. */
  async has(address: string): Promise<boolean> {
    return (await this.get(address)) !== undefined
  }

  /** What holds for an address now, or for `@domain`. */
  async get(address: string): Promise<Suppression | undefined> {
    const { store, run, clock } = this.#context
    const field = parseField(address)
    const fields = /^[@#]/.test(field) ? [field] : [...suppressionFields(field), forgottenField(field)]
    const found = await run(() => store.get(fields))
    return fields.flatMap((each, index) => standing(each, found[index], clock.now()) ?? [])[0]
  }

  /** All of them, in no order. One that is written while they are read may come twice. */
  async *list(): AsyncGenerator<Suppression, void, void> {
    const { store, run, clock } = this.#context
    const pages = store.pages()
    for (;;) {
      const page = await run(() => pages.next())
      if (page.done) return
      const over = page.value.filter(([field, stored]) => !standing(field, stored, clock.now()))
      if (over.length > 0) {
        const fields = over.map(([field]) => field)
        await run(() => store.sweep(fields, clock.now()))
      }
      for (const [field, stored] of page.value) {
        const suppression = standing(field, stored, clock.now())
        if (suppression) yield suppression
      }
    }
  }

  /**
   * Adds many, read as they are stored. What `options` say holds for entries that say nothing themselves.
   *
   * @throws FluxMailError `invalid_params`, `queue_unavailable`
   */
  async importMany(
    entries: Iterable<SuppressionInput> | AsyncIterable<SuppressionInput>,
    options: SuppressionImportOptions = {},
  ): Promise<SuppressionImport> {
    const { onReject, ...shared } = guarded('invalid_params', 'options', () => ({ ...options }))
    this.#stored(shared)
    const count = { added: 0, replaced: 0, rejected: 0 }
    let page = new Map<string, StoredSuppression>()
    let index = 0
    for await (const given of readAll(entries)) {
      const entry = this.#readEntry(given, shared, (error) => {
        count.rejected += 1
        reject(onReject, given, error, index)
      })
      index += 1
      if (entry) page.set(...entry)
      if (page.size < PAGE) continue
      await this.#put(page, count)
      page = new Map()
    }
    await this.#put(page, count)
    return count
  }

  async #put(page: ReadonlyMap<string, StoredSuppression>, count: { added: number; replaced: number }) {
    const { store, write } = this.#context
    const added = await write(() => store.put([...page]))
    count.added += added
    count.replaced += page.size - added
  }

  #readEntry(
    given: unknown,
    shared: SuppressionOptions,
    onError: (error: FluxMailError) => void,
  ): Entry | undefined {
    try {
      if (typeof given === 'string') return this.#entryOf(given, shared)
      const { address, ...own } = guarded('invalid_params', 'the entry', () => ({
        ...(given as object),
      })) as {
        address?: string
      }
      return this.#entryOf(address as string, { ...shared, ...own })
    } catch (thrown) {
      if (!(thrown instanceof FluxMailError)) throw thrown
      onError(thrown)
      return undefined
    }
  }

  #entryOf(address: string, options: SuppressionOptions): Entry {
    return [parseField(address), this.#stored(options)]
  }

  #stored(options: SuppressionOptions): StoredSuppression {
    const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
    if ('problems' in read) {
      const { problems } = read
      throw new FluxMailError('invalid_params', `suppressions: ${problems.join('; ')}`, {
        details: { problems },
      })
    }
    const { reason, since, expiresAt } = read.data
    const stored = { r: reason, s: since?.getTime() ?? this.#context.clock.now() }
    return expiresAt === undefined ? stored : { ...stored, x: expiresAt.getTime() }
  }
}

/** The entries of the caller; what goes wrong in reading them is told apart from what goes wrong here. */
async function* readAll(entries: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<unknown> {
  const isIterable = guarded('invalid_params', 'entries', () => {
    if (typeof entries !== 'object' || entries === null) return false
    return Symbol.asyncIterator in entries || Symbol.iterator in entries
  })
  if (!isIterable) {
    throw new FluxMailError('invalid_params', 'entries: must be an array or another iterable of addresses')
  }
  const iterator =
    Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]()
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
  } catch (cause) {
    throw new FluxMailError('invalid_params', `entries threw: ${messageOf(cause)}`, { cause })
  } finally {
    await iterator.return?.()
  }
}

/** The field of an address, of `@domain`, or of an address that was forgotten. */
function parseField(given: unknown): string {
  if (typeof given === 'string' && /^#[0-9a-f]{40}$/.test(given)) return given
  if (typeof given !== 'string' || !given.startsWith('@')) {
    return suppressionFields(parseMailbox(given, 'address').address)[0]
  }
  const domain = normalizeDomain(given.slice(1))
  if (domain !== undefined) return `@${domain}`
  throw new FluxMailError(
    'invalid_email',
    `address: ${quoted(given)} is no domain; give it as '@example.com'`,
  )
}

function standing(
  field: string,
  stored: StoredSuppression | undefined,
  now: number,
): Suppression | undefined {
  if (stored === undefined || (stored.x !== undefined && stored.x <= now)) return undefined
  return suppressionOf(field, stored)
}

function suppressionOf(field: string, { r, s, x, c }: StoredSuppression): Suppression {
  return {
    address: field,
    reason: r,
    since: new Date(s),
    ...(x === undefined ? {} : { expiresAt: new Date(x) }),
    ...(c === undefined ? {} : { code: c }),
  }
}

function reject(
  onReject: SuppressionImportOptions['onReject'],
  entry: unknown,
  error: FluxMailError,
  index: number,
): void {
  try {
    onReject?.(entry, error, index)
  } catch (cause) {
    throw new FluxMailError('invalid_params', `onReject threw at entry ${index}: ${messageOf(cause)}`, {
      cause,
    })
  }
}
