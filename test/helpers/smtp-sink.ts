// Postfix's smtp-sink: an SMTP server that shares no code with ours.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { freePort } from '../../src/cli/free-port.js'
import { eventually } from './eventually.js'
import { requireProgram } from './programs.js'

export interface SmtpSink {
  readonly port: number
  /** What it took so far, each with the X- lines that smtp-sink writes above the message. */
  messages(): Promise<string[]>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [greeting] = await once(socket, 'data')
    return String(greeting).startsWith('220')
  } finally {
    socket.destroy()
    if (!socket.closed) await once(socket, 'close')
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/**
 * Starts smtp-sink on a free port with `flags` of its own, such as `['-f', 'DATA']` to refuse that command.
 * Where it is missing the test is skipped and says so, and fails where CI demands it.
 */
export async function openSmtpSink(context: TestContext, flags: readonly string[] = []): Promise<SmtpSink> {
  const path = requireProgram(context, 'smtp-sink')
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-smtp-sink-'))
  // As root it insists on becoming somebody else, who has to be able to write here.
  await chmod(folder, 0o777)
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const args = [...user, '-d', join(folder, '%s.'), ...flags, `127.0.0.1:${port}`, '100']
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const close = async () => {
    process.off('exit', killAtExit)
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await eventually('smtp-sink greets', () => answers(port))
  } catch (error) {
    await close()
    throw error
  }
  const messages = async () =>
    Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')))
  return { port, messages, close, [Symbol.asyncDispose]: close }
}
