// The newsletter with its CSS inlined once beforehand, as somebody does who uses juice with care; and what it costs to
// do that for each message.

import juice from 'juice'
import { newsletter, rowsOf } from '../fixture/mail.mjs'
import { renderer } from './pool.mjs'

export function inlinedNewsletter() {
  // Otherwise it takes the tags of nunjucks for text to be escaped.
  juice.codeBlocks.NUNJUCKS = { start: '{%', end: '%}' }
  return juice(newsletter.html, { applyWidthAttributes: false, applyHeightAttributes: false })
}

/** Milliseconds of CPU for each message, of the second half of twice as many. */
export function juiceCost(/** @type {number} */ count) {
  const pages = Array.from(rowsOf(2 * count), renderer(newsletter.html)).map(({ html }) => html)
  for (const html of pages.slice(count)) juice(html)
  const before = process.cpuUsage()
  for (const html of pages.slice(0, count)) juice(html)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / count
}
