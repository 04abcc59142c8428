// `npm run dashboards:draw -- --prometheus URL --out FILE.html`: a dashboard as Grafana would show it, drawn from the
// same JSON and the same queries, to be looked at where there is no Grafana.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { choose } from './draw/choose.js'
import { readDashboard } from './draw/dashboard.js'
import { drawPage } from './draw/page.js'

interface Flags {
  readonly prometheus: string
  readonly out: string
  readonly dashboard: string
  readonly minutes: string
  readonly end?: string
  readonly scrape: string
}

const { prometheus, out, dashboard, minutes, end, scrape } = new Command('npm run dashboards:draw --')
  .requiredOption('--prometheus <url>', 'where the data is')
  .requiredOption('--out <file>', 'the page to write')
  .option('--dashboard <name>', 'overview or batches', 'overview')
  .option('--minutes <number>', 'how far back it looks', '15')
  .option('--end <instant>', 'until when, as seconds since 1970 or a date; now unless given')
  .option('--scrape <seconds>', 'how often Prometheus scrapes', '5')
  .parse()
  .opts<Flags>()

const until = end === undefined ? Date.now() / 1000 : Number(end) || Date.parse(end) / 1000
const span = {
  start: until - Number(minutes) * 60,
  end: until,
  scrapeSeconds: Number(scrape),
  stepSeconds: 1,
}
const path = join(import.meta.dirname, '..', '..', 'deploy', 'grafana', 'dashboards', `${dashboard}.json`)
const shown = readDashboard(path)
const choice = await choose(prometheus, shown, 'all', span)
writeFileSync(out, await drawPage(shown, { ...span, url: prometheus, choice }))
