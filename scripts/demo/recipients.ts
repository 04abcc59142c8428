// The 1 000 rows of recipients.csv: people of many scripts, 20 greylisted, 10 refused, 2 malformed.
// The same every time, so that a change of the data is a change somebody made.

import { type Culture, cultures } from './people.js'

const ROWS = 1000
const domains = [
  'example.com',
  'example.org',
  'example.net',
  'mail.example',
  'bücher.example',
  'gärten.example',
  '例え.example',
]
const memberships = ['Friend', 'Seedling', 'Friends & Family', 'Patron', 'Life member']
const plants = [
  'Himalayan blue poppy',
  'tree fern',
  'snake’s-head fritillary',
  'ghost orchid',
  'handkerchief tree',
  'sacred lotus',
  'king protea',
  '"Black Knight" buddleia',
]
const walks = [
  'the tide-pool garden',
  'the old glasshouse',
  'the camellia walk',
  'the orchard at dusk',
  'the fernery <after dark>',
]
const dates = ['Saturday 6 March', 'Sunday 14 March', 'Friday 19 March', 'Saturday 27 March']

const header = 'email,name,greeting,city,membership,since,visits,points,plant,walk,walk_date,token'

/** The whole file: CRLF, a field quoted where it must be, one field in ninety over two lines. */
export function recipientsCsv(): string {
  const lines = Array.from({ length: ROWS }, (_, index) => rowOf(index))
  return `${[header, ...lines].join('\r\n')}\r\n`
}

function rowOf(index: number): string {
  const culture = at(cultures, index)
  const turn = Math.floor(index / cultures.length)
  const [given, givenAscii] = pair(at(culture.given, turn))
  const [family, familyAscii] = pair(at(culture.family, Math.floor(turn / culture.given.length) + turn))
  const address = `${orderOf(index)}${givenAscii}.${familyAscii}.${index + 1}@${at(domains, index + turn)}`
  const fields = [
    index === 640 ? 'nora.ashdown at example.com' : address,
    nameOf(culture, given, family),
    culture.greeting,
    at(culture.cities, turn),
    at(memberships, index * 3 + turn),
    String(1998 + ((index * 7) % 28)),
    String(1 + ((index * 13) % 60)),
    String(((index * 37) % 240) * 5),
    at(plants, index + turn),
    index % 90 === 45 ? 'the long border,\nfrom the east gate' : at(walks, index * 2 + turn),
    at(dates, index + 2 * turn),
    tokenOf(index),
  ]
  const kept = index === 371 ? fields.filter((_, column) => column !== 3) : fields
  return kept.map(quoted).join(',')
}

/** What the SMTP server does with this recipient. */
function orderOf(index: number): string {
  if (index % 100 === 7) return 'defer-1-'
  if (index % 100 === 57) return 'defer-2-'
  if (index % 100 === 83) return 'reject-'
  return ''
}

function nameOf({ familyFirst }: Culture, given: string, family: string): string {
  return familyFirst === undefined ? `${given} ${family}` : `${family}${familyFirst}${given}`
}

function tokenOf(index: number): string {
  return Buffer.from(`demo-${(index * 2_654_435_761) % 4_294_967_296}`).toString('base64')
}

function pair(text: string): [string, string] {
  const [name = '', ascii = ''] = text.split('=')
  return [name, ascii]
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index % list.length]
  if (item === undefined) throw new Error('an empty list')
  return item
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}
