// The inbox: newest first, a page at a time, filtered by recipient, with what the sink answered so far.
// Reads only the headers of the messages it shows.

import type { RecordedMessage } from '../inbox.js'
import { orderHelp } from '../orders.js'
import { type MailSummary, summarise } from '../read-message.js'
import { html, type Markup } from './html.js'
import { amount, clipIcon, count, envelopeIcon, layout, size, subjectOf, time } from './layout.js'
import type { Page } from './selection.js'
import type { Stats } from './stats.js'

export interface ListPage {
  readonly page: Page
  readonly to: string
  readonly stats: Stats
  readonly smtpAddress: string
}

/** The whole document. */
export async function listPage(input: ListPage): Promise<string> {
  const { page, to, stats } = input
  const rows = await Promise.all(page.messages.map(async (message) => row(message, await summarise(message))))
  const list = html`<ul class="card rows">${rows}</ul>${pager(page, to)}`
  const live = html`<div data-live>${statsLine(stats)}${rows.length > 0 ? list : emptyCard(input)}${orders(stats.messages === 0)}</div>`
  return layout(title(stats), tools(to), live)
}

function title(stats: Stats): string {
  return `Inbox (${count(stats.messages)}) · FluxMail sink`
}

function tools(to: string): Markup {
  return html`<form class="search" role="search" action="/"><input type="search" name="to" value="${to}" placeholder="Search by recipient" aria-label="Search by recipient"></form>
<form class="clear" method="post" action="/clear"><button>Delete all</button></form>`
}

function statsLine(stats: Stats): Markup {
  const chips = Object.entries(stats.replies)
    .filter(([code]) => code >= '400')
    .map(([code, times]) => html`<span class="chip ${toneOf(code)}">${code} × ${count(times)}</span>`)
  return html`<div class="stats"><span>${amount(stats.messages, 'message')}</span><span>${amount(stats.recipients, 'recipient')}</span><span>${amount(stats.connections, 'connection')}</span>${chips.length > 0 && html`<span class="chips" title="Refusals, by reply code">Refused ${chips}</span>`}</div>`
}

function toneOf(code: string): string {
  return code.startsWith('4') ? 'warn' : 'bad'
}

function row(message: RecordedMessage, { subject, from, hasAttachments }: MailSummary): Markup {
  const [first = '', ...others] = message.to
  return html`<li><a class="row" href="/messages/${message.id}">
<span class="face h${hueOf(first)}" aria-hidden="true">${[...first][0] ?? '?'}</span>
<span class="who"><span class="to"><bdi>${first}</bdi>${others.length > 0 && html`<span class="more">+${others.length}</span>`}</span></span>
<span class="subject"><span>${subjectOf(subject)}</span><span class="from">from <bdi>${from?.name || from?.address || message.from || 'nobody'}</bdi></span></span>
<span class="when">${time(message.receivedAt)}<span class="size">${hasAttachments && clipIcon}${size(message.size)}</span></span>
</a></li>`
}

function hueOf(address: string): number {
  return [...address].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973, 7) % 8
}

function pager({ total, offset, limit, messages }: Page, to: string): Markup {
  const link = (text: string, start: number, on: boolean) =>
    html`<a class="button ${!on && 'off'}" ${on && html`href="${listHref(to, start)}"`}>${text}</a>`
  return html`<nav class="pager" aria-label="Pages"><span>${count(offset + 1)}–${count(offset + messages.length)} of ${count(total)}</span><span>${link('← Newer', Math.max(0, offset - limit), offset > 0)}${link('Older →', offset + limit, offset + limit < total)}</span></nav>`
}

function listHref(to: string, offset: number): string {
  return `/?${new URLSearchParams({ ...(to && { to }), offset: String(offset) })}`
}

function emptyCard({ to, stats, smtpAddress }: ListPage): Markup {
  if (stats.messages > 0) {
    const what = to ? html`No message to a recipient with “<bdi>${to}</bdi>”` : 'No messages on this page'
    return html`<div class="card empty"><h1>${what}</h1><p><a href="/">Show all messages</a></p></div>`
  }
  return html`<div class="card empty">${envelopeIcon}<h1>Waiting for mail</h1><p>Send anything to <code>${smtpAddress}</code> and it shows up here.</p><p>Nothing is ever passed on.</p></div>`
}

function orders(open: boolean): Markup {
  const rows = orderHelp.map(
    ({ address, effect }) => html`<tr><td><code>${address}</code></td><td>${effect}</td></tr>`,
  )
  return html`<details class="card orders" ${open && html`open`}><summary>Recipients that misbehave on order</summary><table><tbody>${rows}</tbody></table></details>`
}
