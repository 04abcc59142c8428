// A password from standard input: typed twice and unseen on a terminal, a line from anything else.

import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import { type Context, say } from './context.js'
import { UsageError } from './failure.js'

/** Undefined when Ctrl-C ended it. Throws UsageError for none, or for two that differ. */
export async function readPassword({ stdin, stderr, signal }: Context): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = stdin.isTTY === true
  const lines = createInterface({ input: stdin, output: nowhere, terminal })
  const stop = () => lines.close()
  signal.addEventListener('abort', stop)
  lines.on('SIGINT', stop)
  const ask = async (prompt: string) => {
    if (terminal) stderr.write(prompt)
    const line = await nextLine(lines)
    if (terminal) say(stderr)
    return line
  }
  try {
    const password = await ask('Password: ')
    if (password === undefined && (terminal || signal.aborted)) return undefined
    if (!password) throw new UsageError('no password came on standard input')
    if (terminal && (await ask('The same again: ')) !== password) {
      throw new UsageError('the two passwords are not the same; nothing was hashed')
    }
    return password
  } finally {
    signal.removeEventListener('abort', stop)
    lines.close()
  }
}

/** Undefined at the end of the input. */
function nextLine(lines: Interface): Promise<string | undefined> {
  return new Promise((resolve) => {
    lines.once('line', resolve)
    lines.once('close', () => resolve(undefined))
  })
}
