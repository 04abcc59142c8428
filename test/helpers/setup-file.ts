// Runs around every test file: its workers are killed, its keys removed, and what it left open fails it.

import { afterAll } from 'vitest'
import { removeFreshNames } from './fresh-name.js'
import { activeResources, leaksSince } from './leaks.js'
import { killLeftWorkers } from './worker-process.js'

const atStart = activeResources()

// Hooks run in reverse order, so this one comes after all of the file's own.
afterAll(async () => {
  await killLeftWorkers()
  await removeFreshNames()
  const leaks = await leaksSince(atStart)
  if (leaks.length > 0) throw new Error(`this test file leaves open: ${leaks.join(', ')}`)
})
