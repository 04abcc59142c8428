import { readFile } from 'node:fs/promises'
import { simpleParser } from 'mailparser'
import { describe, expect, test } from 'vitest'
import { programme } from '../../scripts/demo/programme.js'
import { recipientsCsv } from '../../scripts/demo/recipients.js'
import { demoContent, demoCsv } from '../../src/cli/demo-data.js'
import { bundleBatchContent } from '../../src/content/batch-content.js'
import { compileContent } from '../../src/content/compile.js'
import { readFileLimited } from '../../src/content/read-file.js'
import { parseMailbox } from '../../src/message/address.js'
import type { Row } from '../../src/queue/row.js'
import { readPath } from './import/read-rows.js'

async function readAll() {
  const { rows: read, broken } = await readPath(demoCsv())
  const rows = read.map(({ row }) => row as Row)
  return { rows, broken, lines: new Map(read.map(({ line, row }) => [row, line])) }
}

const addressOf = ({ to }: Row) => (typeof to === 'string' ? to : to.address)

function isAddress(row: Row): boolean {
  try {
    return parseMailbox(row.to, 'to').address !== ''
  } catch {
    return false
  }
}

describe('recipients.csv', () => {
  test('has 1,000 rows: 20 greylisted, 10 refused, and 2 malformed ones at known lines', async () => {
    const { rows, broken, lines } = await readAll()
    expect(rows.length + broken.length).toBe(1000)
    const bad = rows.filter((row) => !isAddress(row))
    expect(broken.map(({ line }) => line)).toEqual([377])
    expect(bad.map((row) => lines.get(row))).toEqual([649])
    const local = (prefix: RegExp) => rows.filter((row) => prefix.test(addressOf(row))).length
    expect([local(/^defer-1-/), local(/^defer-2-/), local(/^reject-/)]).toEqual([10, 10, 10])
  })

  test('mails nobody: every domain is a reserved one', async () => {
    const { rows } = await readAll()
    for (const row of rows.filter(isAddress)) {
      expect(parseMailbox(row.to, 'to').address).toMatch(/@(example\.(com|org|net)|[a-z0-9-]+\.example)$/)
    }
  })

  test('has no recipient twice, and an international domain', async () => {
    const { rows } = await readAll()
    const addresses = rows.filter(isAddress).map((row) => parseMailbox(row.to, 'to').address)
    expect(new Set(addresses).size).toBe(998)
    expect(addresses.some((address) => address.endsWith('@xn--bcher-kva.example'))).toBe(true)
  })

  test('names people in many scripts', async () => {
    const { rows } = await readAll()
    const names = rows.map(({ name }) => String(name)).join('')
    const scripts = [
      'Latin',
      'Greek',
      'Cyrillic',
      'Han',
      'Hiragana',
      'Katakana',
      'Hangul',
      'Arabic',
      'Hebrew',
      'Devanagari',
      'Thai',
      'Tamil',
      'Ethiopic',
    ]
    const missing = scripts.filter((script) => !new RegExp(`\\p{Script=${script}}`, 'u').test(names))
    expect(missing).toEqual(['Katakana'])
    expect(names).toMatch(/\p{Emoji_Presentation}/u)
  })

  test('is what its script writes, and so is the PDF', async () => {
    expect(await readFile(demoCsv(), 'utf8')).toBe(recipientsCsv())
    expect(await readFile('scripts/demo/spring-programme.pdf')).toEqual(programme())
  })
})

describe('the newsletter', () => {
  const bundle = bundleBatchContent(demoContent(), readFileLimited, 1_000_000)
  const files = new Map(bundle.files.map(({ hash, content }) => [hash, content]))
  const compiled = compileContent(bundle.content, (hash) => files.get(hash) ?? Buffer.alloc(0))

  async function mailTo(index: number) {
    const { to, ...variables } = (await readAll()).rows[index] ?? { to: '' }
    const input = {
      to: parseMailbox(to, 'to'),
      variables,
      messageId: () => '<1@garden.example>',
      date: new Date(0),
    }
    return simpleParser(compiled.render(input).bytes)
  }

  test('is of realistic size, with its CSS inlined and its @media rules kept', async () => {
    const { html } = await mailTo(0)
    const own = String(html).replaceAll(/data:image[^"]*/g, '')
    expect(own.length).toBeGreaterThan(8_000)
    expect(own.length).toBeLessThan(12_000)
    expect(own).toMatch(/@media \(max-width/)
    expect(own).toMatch(/<h1 [^>]*style="[^"]*font-size: 31px/)
  })

  test('names its reader in ten places and more, and escapes what is not HTML', async () => {
    const template = await readFile('scripts/demo/newsletter.html', 'utf8')
    expect(template.match(/\{\{/g)?.length).toBeGreaterThanOrEqual(10)
    const { html } = await mailTo(2)
    expect(html).toContain('the fernery &lt;after dark&gt;')
    expect(html).toContain('Guten Tag Jürgen Weißmüller,')
  })

  test('carries a picture, a PDF, and one-click unsubscribing for this reader', async () => {
    const { attachments, headers } = await mailTo(1)
    expect(attachments.map(({ filename, contentType }) => [filename, contentType]).sort()).toEqual([
      ['harbour.png', 'image/png'],
      ['spring-programme.pdf', 'application/pdf'],
    ])
    expect(JSON.stringify(headers.get('list'))).toContain('https://garden.example/unsubscribe?t=')
    expect(JSON.stringify(headers.get('list'))).toContain('List-Unsubscribe=One-Click')
  })
})
