// Boots a role, drains it at the first signal, exits. A second signal exits at once.

import { once } from 'node:events'

export interface Role {
  readonly httpPort: number
  close(): Promise<void>
}

/** Runs `open` as this process until a signal, or until the parent that forked it is gone. */
export async function run(open: (stop: AbortSignal) => Promise<Role>): Promise<void> {
  const stop = new AbortController()
  const ask = () => {
    if (stop.signal.aborted) process.exit(1)
    stop.abort()
  }
  process.on('SIGTERM', ask)
  process.on('SIGINT', ask)
  process.on('disconnect', () => {
    if (!stop.signal.aborted) ask()
  })
  try {
    const role = await open(stop.signal)
    process.send?.({ type: 'ready', httpPort: role.httpPort })
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
    await role.close()
    process.exit(0)
  } catch (thrown) {
    // Told to stop before it could begin: nothing has been taken, so nothing is left behind.
    if (stop.signal.aborted) process.exit(0)
    process.stderr.write(`${describe(thrown)}\n`)
    process.exit(1)
  }
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const code = 'code' in thrown ? ` (${String(thrown.code)})` : ''
  return `[FluxMail ERROR] ${thrown.message}${code}`
}
