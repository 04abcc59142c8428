// Loaded into a sending process before anything else: tells its own CPU time and memory when asked.
// It does nothing unless it is asked.

import { readFileSync } from 'node:fs'

const TICK_MS = 10

process.on('message', (message) => {
  if (message !== 'usage') return
  const { user, system } = process.cpuUsage()
  const usage = {
    cpuMs: (user + system) / 1_000,
    mainMs: mainThreadMs(),
    rssBytes: process.memoryUsage.rss(),
  }
  process.send?.({ usage })
})
// Whoever measures ends us; nobody stays for the sake of a question, or after the one who asks has gone.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()

/** Linux tells each thread's time; elsewhere it is not known. */
function mainThreadMs() {
  try {
    const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return undefined
  }
}
