// The temporary folder from which Outlook takes a message: what describes it, its body and its attachments.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EmailParts } from '../message/email-parts.js'
import { composeMessage } from './compose-message.js'
import { safeFilename } from './safe-filename.js'

/** Makes a folder that only this user can read. */
export function makeComposeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'fluxmail-outlook-'))
}

/** Fills the folder, and resolves to the path of the file that describes the message. */
export async function fillComposeFolder(folder: string, parts: EmailParts): Promise<string> {
  const body = join(folder, 'body')
  await writeFile(body, parts.html ?? (parts.text ?? '').replace(/\r\n|\r|\n/g, '\r\n'))
  const attachments = []
  for (const [index, file] of parts.attachments.entries()) {
    // A folder for each, since two may have the same name, and Outlook shows it.
    const own = join(folder, String(index))
    await mkdir(own)
    const path = join(own, safeFilename(file.filename))
    await writeFile(path, file.content)
    attachments.push(path)
  }
  const description = join(folder, 'message.json')
  await writeFile(description, JSON.stringify(composeMessage(parts, { body, attachments })))
  return description
}

/** Virus scanners keep new files open for a moment. */
export function removeComposeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}
