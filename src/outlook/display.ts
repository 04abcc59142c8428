// An email before the eyes of whoever will send it: in Outlook's compose window on Windows, elsewhere as a draft.

import { inlineCss } from '../content/inline-css.js'
import { FluxMailError, messageOf } from '../errors.js'
import type { EmailParts } from '../message/email-parts.js'
import { fillComposeFolder, makeComposeFolder, removeComposeFolder } from './compose-folder.js'
import { composeScript, messageVariable } from './compose-script.js'
import { renderDraft } from './draft.js'
import type { Outlook } from './outlook-options.js'
import { runPowerShell } from './powershell.js'
import { writeTemporaryDraft } from './write-draft.js'

/**
 * Opens the email in Outlook, or writes a draft where there is none; resolves to what happened, for a person to read.
 *
 * @throws FluxMailError `display_failed`, `css_inline_failed`, `invalid_header`
 */
export async function displayInOutlook(parts: EmailParts, outlook: Outlook): Promise<string> {
  try {
    if (outlook.platform !== 'win32') return await displayAsDraft(parts)
    refuseRepeatedHeaders(parts)
    await openInOutlook(withInlinedStyles(parts), outlook)
    return "The email is open in Outlook's compose window."
  } catch (cause) {
    if (cause instanceof FluxMailError && cause.code !== 'write_error') throw cause
    throw new FluxMailError('display_failed', `the email could not be displayed: ${messageOf(cause)}`, {
      cause,
    })
  }
}

async function displayAsDraft(parts: EmailParts): Promise<string> {
  const path = await writeTemporaryDraft(renderDraft(parts))
  return `Outlook's compose window opens on Windows only. Open this draft in Outlook instead: ${path}`
}

async function openInOutlook(parts: EmailParts, outlook: Outlook): Promise<void> {
  const folder = await makeComposeFolder()
  try {
    const description = await fillComposeFolder(folder, parts)
    await runPowerShell(composeScript, { [messageVariable]: description }, outlook)
  } finally {
    // The email is open, or why it is not is being said: neither is changed by what was left over.
    await removeComposeFolder(folder).catch((error: unknown) => outlook.onLeftOver(folder, error))
  }
}

function withInlinedStyles(parts: EmailParts): EmailParts {
  const { html } = parts
  return html !== undefined && parts.inlineCss ? { ...parts, html: inlineCss(html, 'literal') } : parts
}

/** Outlook keeps one value under a name. */
function refuseRepeatedHeaders({ headers }: EmailParts): void {
  const names = headers.map(({ name }) => name.toLowerCase())
  const repeated = headers.find(({ name }, index) => names.indexOf(name.toLowerCase()) < index)
  if (repeated === undefined) return
  throw new FluxMailError(
    'display_failed',
    `headers: Outlook takes the header ${repeated.name} once; give it once, or write a draft with toDraft(path)`,
    { details: { field: 'headers' } },
  )
}
