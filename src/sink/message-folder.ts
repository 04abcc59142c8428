// Recorded messages as files: one .eml with the bytes and one .json with the envelope for each.
// Chosen when a run is too large for memory or its mails are to be kept. It removes only files
// that it can have written itself.

import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FluxMailError, messageOf } from '../errors.js'

/** What is known of a message without its bytes. */
export interface Envelope {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  /** The number of the SMTP connection that brought it, from 1. */
  readonly connection: number
  readonly from: string
  readonly to: readonly string[]
  /** Bytes. */
  readonly size: number
}

const envelopeName = /^\d{6,}\.json$/

export class MessageFolder {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Makes the folder and reads the envelopes of an earlier run. Throws setup_failed. */
  async open(): Promise<Envelope[]> {
    try {
      await mkdir(this.#path, { recursive: true })
      const names = (await readdir(this.#path)).filter((name) => envelopeName.test(name))
      const envelopes = await Promise.all(names.map((name) => this.#readEnvelope(name)))
      return envelopes.filter((envelope) => envelope !== undefined).sort((a, b) => +a.id - +b.id)
    } catch (error) {
      throw new FluxMailError(
        'setup_failed',
        `The sink cannot use its folder ${this.#path}: ${messageOf(error)}. Choose a folder that can be written.`,
        { cause: error, details: { folder: this.#path } },
      )
    }
  }

  /** Resolves when both files are written; the envelope comes last, so it never names missing bytes. */
  async write(envelope: Envelope, bytes: Buffer): Promise<void> {
    await writeFile(this.#file(envelope.id, 'eml'), bytes)
    await writeFile(this.#file(envelope.id, 'json'), `${JSON.stringify(envelope)}\n`)
  }

  /** The bytes of one message. Throws read_error. */
  read(id: string): Buffer {
    const path = this.#file(id, 'eml')
    try {
      return readFileSync(path)
    } catch (error) {
      throw new FluxMailError(
        'read_error',
        `The recorded message ${path} cannot be read: ${messageOf(error)}`,
        {
          cause: error,
        },
      )
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.#file(id, 'json'), { force: true })
    await rm(this.#file(id, 'eml'), { force: true })
  }

  #file(id: string, extension: string): string {
    return join(this.#path, `${id.padStart(6, '0')}.${extension}`)
  }

  async #readEnvelope(name: string): Promise<Envelope | undefined> {
    const text = await readFile(join(this.#path, name), 'utf8')
    try {
      return parseEnvelope(JSON.parse(text), String(Number.parseInt(name, 10)))
    } catch {
      // A sink that was killed while writing leaves half a file: that message was never acknowledged.
      return undefined
    }
  }
}

function parseEnvelope(value: unknown, id: string): Envelope | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { receivedAt, connection, from, to, size } = value as Record<string, unknown>
  if (typeof receivedAt !== 'number' || typeof connection !== 'number' || typeof size !== 'number')
    return undefined
  if (typeof from !== 'string' || !Array.isArray(to) || !to.every((item) => typeof item === 'string'))
    return undefined
  return { id, receivedAt, connection, from, to, size }
}
