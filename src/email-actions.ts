// What the emails of a FluxMail can do beside being sent: show themselves, and give their bytes.

import { renderEmail, showEmail } from './content/render-email.js'
import type { EmailActions } from './message/email.js'
import { requireSendable } from './message/sendable.js'
import { displayInOutlook } from './outlook/display.js'
import { renderDraft } from './outlook/draft.js'
import type { Outlook } from './outlook/outlook-options.js'
import { writeDraft } from './outlook/write-draft.js'

type Send = EmailActions['send']

const toDraft: EmailActions['toDraft'] = async (email, path, options) =>
  writeDraft(renderDraft(email.parts), path, options)

export function smtpActions(send: Send): EmailActions {
  return {
    send,
    toDraft,
    toMime: ({ parts }) => renderEmail(requireSendable(parts, 'outlook_no_send')),
    display: ({ parts }) => showEmail(parts),
  }
}

export function outlookActions(send: Send, outlook: Outlook): EmailActions {
  return {
    send,
    toDraft,
    toMime: ({ parts }) => renderDraft(parts),
    display: ({ parts }) => displayInOutlook(parts, outlook),
  }
}
