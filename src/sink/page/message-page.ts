// One message: who, when, and its HTML, text, headers, attachments and source, a tab each.
// The HTML of a mail is never put into this page: it stands in a sandboxed frame of its own.

import type { RecordedMessage } from '../inbox.js'
import type { MailFile, MailView, Person } from '../read-message.js'
import { html, type Markup } from './html.js'
import { layout, person, size, subjectOf, time } from './layout.js'
import { hasRemoteContent } from './mail-frame.js'

const tabNames = { html: 'HTML', text: 'Text', headers: 'Headers', files: 'Attachments', source: 'Source' }
export type Tab = keyof typeof tabNames

const shownRecipients = 20
const shownSourceBytes = 256 * 1024

export interface MessagePage {
  readonly message: RecordedMessage
  readonly mail: MailView
  readonly tab: Tab
  readonly older: string | undefined
  readonly newer: string | undefined
}

/** The tab that was asked for, or the first that has something to show. */
export function parseTab(value: unknown, mail: MailView): Tab {
  if (typeof value === 'string' && Object.hasOwn(tabNames, value)) return value as Tab
  if (mail.html !== undefined) return 'html'
  return mail.fault === undefined ? 'text' : 'source'
}

/** The whole document. */
export function messagePage(input: MessagePage): string {
  const { message, mail, older, newer } = input
  const step = (text: string, id: string | undefined) =>
    html`<a class="button ${!id && 'off'}" ${id && html`href="/messages/${id}"`}>${text}</a>`
  const body = html`<nav class="top"><a href="/">← Inbox</a><span class="steps">${step('← Newer', newer)}${step('Older →', older)}</span></nav>
<article class="card">${head(message, mail)}${tabs(input)}${panel(input)}</article>`
  const tools = html`<a class="button top-link" href="/api/messages/${message.id}/raw" download>Download .eml</a>`
  return layout(`${mail.subject || '(no subject)'} · FluxMail sink`, tools, body)
}

function head(message: RecordedMessage, mail: MailView): Markup {
  return html`<header class="head"><h1>${subjectOf(mail.subject)}</h1><dl class="facts">
${fact('From', mail.from && person(mail.from))}
${fact('To', people(mail.to))}
${fact('Cc', people(mail.cc))}
${fact('Date', mail.date && dateOf(mail.date))}
${fact('Envelope', html`<span class="chip">${message.from || '<>'}</span> → ${recipients(message.to)}`)}
${fact('Received', html`${time(message.receivedAt)} on connection ${message.connection}, ${size(message.size)}`)}
</dl></header>`
}

function fact(name: string, value: Markup | string | undefined): Markup | undefined {
  return value ? html`<dt>${name}</dt><dd>${value}</dd>` : undefined
}

function people(list: readonly Person[]): Markup | undefined {
  if (list.length === 0) return undefined
  return shorten(list.map((one, index) => html`${index > 0 && ', '}${person(one)}`))
}

function recipients(addresses: readonly string[]): Markup {
  return shorten(addresses.map((address) => html`<span class="chip">${address}</span>`))
}

function shorten(items: readonly Markup[]): Markup {
  const rest = items.length - shownRecipients
  return html`${items.slice(0, shownRecipients)}${rest > 0 && ` and ${rest} more`}`
}

function dateOf(date: string): Markup | string {
  const ms = Date.parse(date)
  return Number.isNaN(ms) ? date : time(ms)
}

function tabs({ message, mail, tab }: MessagePage): Markup {
  const names = Object.entries(tabNames).filter(([key]) => key !== 'html' || mail.html !== undefined)
  const links = names.map(([key, name]) => {
    const label = key === 'files' && mail.files.length > 0 ? `${name} (${mail.files.length})` : name
    return html`<a href="/messages/${message.id}?tab=${key}" ${key === tab && html`aria-current="page"`}>${label}</a>`
  })
  return html`<nav class="tabs" aria-label="Parts">${links}</nav>`
}

function panel({ message, mail, tab }: MessagePage): Markup {
  const fault = mail.fault && html`<p class="note">This message cannot be read as mail: ${mail.fault}</p>`
  return html`${fault}${panels[tab](message, mail)}`
}

const panels: Record<Tab, (message: RecordedMessage, mail: MailView) => Markup> = {
  html: (message, mail) =>
    mail.html === undefined
      ? blank('This message has no HTML part.')
      : html`${hasRemoteContent(mail.html) && html`<div class="note">Remote images and styles are blocked here.</div>`}<iframe class="frame" title="HTML of the message" sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer" src="/messages/${message.id}/html"></iframe>`,
  text: (_, mail) =>
    mail.text ? html`<pre class="plain text">${mail.text}</pre>` : blank('This message has no text part.'),
  headers: (_, mail) => {
    const rows = mail.headers.map(({ name, value }) => html`<tr><th>${name}</th><td>${value}</td></tr>`)
    return rows.length > 0
      ? html`<table class="headers"><tbody>${rows}</tbody></table>`
      : blank('This message has no headers.')
  },
  files: (message, mail) =>
    mail.files.length > 0
      ? html`<ul class="files">${mail.files.map((file, index) => fileRow(message, file, index))}</ul>`
      : blank('This message has no attachments.'),
  source: (message) => {
    const { bytes } = message
    const cut = bytes.length > shownSourceBytes
    return html`${cut && html`<p class="note">The first ${size(shownSourceBytes)} of ${size(bytes.length)}; download the .eml for all of it.</p>`}<pre class="plain">${bytes.toString('utf8', 0, shownSourceBytes)}</pre>`
  },
}

function fileRow(message: RecordedMessage, file: MailFile, index: number): Markup {
  const detail = [
    file.contentType,
    size(file.bytes.length),
    file.inline && 'inline',
    file.contentId && `cid:${file.contentId}`,
  ]
  return html`<li><div><bdi>${file.filename}</bdi><small>${detail.filter(Boolean).join(' · ')}</small></div><a class="button" href="/messages/${message.id}/attachments/${index}" download>Download</a></li>`
}

function blank(text: string): Markup {
  return html`<p class="blank">${text}</p>`
}
