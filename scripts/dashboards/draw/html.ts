// Text into HTML.

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => escapes[sign] ?? sign)
}

/** `<div class="a" style="b">…</div>`; what is inside is HTML already. */
export function div(className: string, inside: string, style = ''): string {
  return `<div class="${className}"${style ? ` style="${escaped(style)}"` : ''}>${inside}</div>`
}
