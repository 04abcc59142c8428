// What a row must be before the queue gets it: one address in its wire form, not seen before, with files that are there.

import { FluxMailError } from '../../errors.js'
import { parseMailbox } from '../../message/address.js'
import type { Row } from '../../queue/row.js'
import { BrokenRow, type Item, type SourceRow } from './item.js'
import type { RowFiles } from './row-files.js'
import { SeenAddresses } from './seen-addresses.js'

export interface RowCheckOptions {
  /** Whether an address may stand in several rows; each is a delivery then. */
  readonly allowDuplicates?: boolean | undefined
  readonly files?: RowFiles | undefined
  /** The field of a row that names its files. */
  readonly attachmentsField?: string | undefined
}

export class RowCheck {
  readonly #options: RowCheckOptions
  readonly #seen: SeenAddresses | undefined
  #duplicates = 0

  constructor(options: RowCheckOptions) {
    this.#options = options
    this.#seen = options.allowDuplicates ? undefined : new SeenAddresses()
  }

  /** Rows that were dropped because an earlier one has their address. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** The row as the queue takes it, or why it is none; undefined where its address is repeated. */
  check(item: Item): Row | BrokenRow | undefined {
    if (item instanceof BrokenRow) return item
    try {
      return this.#checked(item)
    } catch (error) {
      if (!(error instanceof FluxMailError)) throw error
      return new BrokenRow(item.line, error.message, addressIn(item.row))
    }
  }

  #checked({ row }: SourceRow): Row | undefined {
    const to = parseMailbox(row.to, 'to')
    const { files, attachmentsField } = this.#options
    const attachments = attachmentsField === undefined ? [] : (files?.read(row[attachmentsField]) ?? [])
    if (this.#seen && !this.#seen.add(to.address)) {
      this.#duplicates += 1
      return undefined
    }
    row.to = to
    if (attachments.length > 0) row.attachments = attachments
    else if (attachmentsField === 'attachments') delete row.attachments
    return row
  }
}

export function addressIn({ to }: Row): string {
  if (typeof to === 'string') return to
  return typeof to?.address === 'string' ? to.address : ''
}
