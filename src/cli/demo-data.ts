// What the demo sends, and to whom: files of the package, in its sources and where it is installed.

import { join } from 'node:path'
import type { BatchContent } from '../content/batch-content.js'
import { EmailTemplate } from '../content/template.js'
import { packageRoot } from './package-root.js'

function dataFile(name: string): string {
  return join(packageRoot(), 'scripts', 'demo', name)
}

export function demoCsv(): string {
  return dataFile('recipients.csv')
}

export function demoContent(): BatchContent {
  const text = (source: string) => new EmailTemplate(source, { autoescape: false, strict: true })
  return {
    subject: text('{{ greeting }} {{ name }}, your walk on {{ walk_date }}'),
    html: EmailTemplate.fromFile(dataFile('newsletter.html'), { strict: true }),
    sender: 'Harbour Botanic Garden <letter@garden.example>',
    replyTo: 'hello@garden.example',
    inlineCss: true,
    inlineImages: { harbour: dataFile('harbour.png') },
    attachments: [dataFile('spring-programme.pdf')],
    unsubscribeUrl: text('https://garden.example/unsubscribe?t={{ token | urlencode }}'),
  }
}
