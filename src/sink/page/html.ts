// Markup whose every interpolation is escaped, so that no page can forget to.
// Only what `html` itself made goes in as it is.

class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type { Markup }

export type Content = Markup | string | number | undefined | false | readonly Content[]

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/** Builds markup; attribute values have to stand in quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const parts = strings.map((string, index) => string + (index < values.length ? textOf(values[index]) : ''))
  return new Markup(parts.join(''))
}

function textOf(value: Content): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map(textOf).join('')
  return String(value).replace(/[&<>"'`]/g, (character) => entities[character] ?? '')
}
