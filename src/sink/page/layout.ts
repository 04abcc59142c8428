// The frame around every page, and how dates, sizes and people are written on all of them.
// Names and subjects stand in <bdi>, so that direction marks in a mail cannot turn the page around.

import type { Person } from '../read-message.js'
import { html, type Markup } from './html.js'

const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const timeOfDay = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

export const envelopeIcon = html`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><rect x="2.5" y="5" width="19" height="14" rx="3"/><path d="m3.5 7.5 7 5.4a2.5 2.5 0 0 0 3 0l7-5.4"/></svg>`

export const clipIcon = html`<svg class="clip" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" role="img" aria-label="Has attachments"><path d="m20 11-8.6 8.6a5 5 0 0 1-7-7l9-9a3.3 3.3 0 0 1 4.7 4.7l-8.9 8.9a1.7 1.7 0 0 1-2.4-2.4l7.9-7.9"/></svg>`

/** A whole document; `tools` stand at the right of the bar. */
export function layout(title: string, tools: Markup, body: Markup): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/inbox.css">
<script src="/inbox.js" defer></script>
</head>
<body>
<header class="bar"><div><a class="brand" href="/">${envelopeIcon}FluxMail <span>sink</span></a>${tools}</div></header>
<main>${body}</main>
</body>
</html>
`.text
}

/** An instant in the server's time zone; the exact one stands in `datetime`. */
export function time(ms: number): Markup {
  return html`<time datetime="${new Date(ms).toISOString()}"><span class="day">${day.format(ms)}, </span>${timeOfDay.format(ms)}</time>`
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** `5 messages`, `1 message`. */
export function amount(value: number, noun: string): Markup {
  return html`<b>${count(value)}</b> ${noun}${value === 1 ? '' : 's'}`
}

export function person({ name, address }: Person): Markup {
  return name
    ? html`<bdi>${name}</bdi> <bdi class="addr">&lt;${address}&gt;</bdi>`
    : html`<bdi>${address}</bdi>`
}

/** A subject, or words in its place. */
export function subjectOf(subject: string): Markup {
  return subject ? html`<bdi>${subject}</bdi>` : html`<span class="none">(no subject)</span>`
}

/** A page for what went wrong. */
export function faultPage(title: string, text: string): string {
  const body = html`<div class="card empty"><h1>${title}</h1><p>${text}</p><p><a href="/">Back to the inbox</a></p></div>`
  return layout(title, html``, body)
}
