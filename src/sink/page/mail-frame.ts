// The HTML of a mail as its own document: cid: images become data:, and a policy stops all else.
// What keeps it harmless is the policy and the sandbox, never the rewriting.

import type { MailFile } from '../read-message.js'

/** Nothing runs, nothing is fetched, nothing is posted, and the document has no origin. */
export const mailFramePolicy = [
  "default-src 'none'",
  'img-src data:',
  'font-src data:',
  "style-src 'unsafe-inline'",
  "form-action 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-popups allow-popups-to-escape-sandbox',
].join('; ')

const inAttribute = /(\b(?:src|background)\s{0,9}=\s{0,9}["']?|url\(\s{0,9}["']?)cid:([^\s"'<>)]{1,998})/gi
// Bounded repeats: a mail of a million spaces must not keep the event loop busy.
const remote =
  /\b(?:src|srcset|background)\s{0,9}=\s{0,9}["']?\s{0,9}(?:https?:)?\/\/|url\(\s{0,9}["']?\s{0,9}(?:https?:)?\/\/|@import|<link\b/i
const safeType = /^image\/[a-z0-9.+-]+$/i

/** The document to serve; links open in a window of their own. */
export function mailFrame(markup: string, files: readonly MailFile[]): string {
  const images = new Map(files.map((file) => [file.contentId, file]))
  const shown = markup.replace(inAttribute, (whole: string, before: string, cid: string) => {
    const image = images.get(decode(cid))
    if (!image || !safeType.test(image.contentType)) return whole
    return `${before}data:${image.contentType};base64,${image.bytes.toString('base64')}`
  })
  return `<!doctype html><meta charset="utf-8"><base target="_blank">${shown}`
}

/** Whether the mail would fetch something if it were allowed to. */
export function hasRemoteContent(markup: string): boolean {
  return remote.test(markup)
}

function decode(cid: string): string {
  try {
    return decodeURIComponent(cid)
  } catch {
    return cid
  }
}
