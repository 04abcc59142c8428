// The newest messages alone, for a sink that runs for weeks; and an inbox page that others may see.

import { readdir } from 'node:fs/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.js'
import { openSink, type SinkOptions } from '../../src/sink/sink.js'
import { writeFiles } from '../cli/folder.js'
import { openTerminal, run } from '../cli/terminal.js'
import { eventually } from '../helpers/eventually.js'
import { sendOne } from './clients.js'

async function openKeeping(options: SinkOptions) {
  const sink = await openSink({ httpPort: false, ...options })
  onTestFinished(() => sink.close())
  const send = async (from: number, to: number) => {
    for (let count = from; count <= to; count += 1) await sendOne(sink.smtpPort, `to${count}@example.com`)
  }
  return { sink, send }
}

describe('a sink that keeps two', () => {
  test('has the newest two, and has counted and attributed all', async () => {
    const { sink, send } = await openKeeping({ keep: 2 })
    await send(1, 5)
    expect(sink.messages.map(({ id }) => id)).toEqual(['4', '5'])
    expect(sink.received).toBe(5)
    expect(sink.copies()).toEqual(new Map([1, 2, 3, 4, 5].map((count) => [`to${count}@example.com`, 1])))
  })

  test('waits for as many as come, not for as many as it keeps', async () => {
    const { sink, send } = await openKeeping({ keep: 2 })
    const waiting = sink.waitForMessages(4)
    await send(1, 4)
    await waiting
    await sink.waitForMessages(4)
    const aborted = sink.waitForMessages(5, AbortSignal.abort())
    await expect(aborted).rejects.toThrow('ended with 4')
  })

  test('in a folder removes the files of the others, also those of an earlier run', async () => {
    const [file = ''] = await writeFiles({ 'none.txt': '' })
    const folder = `${file}.mails`
    const first = await openKeeping({ folder })
    await first.send(1, 5)
    await first.sink.close()
    const all = (await readdir(folder)).length
    const { sink, send } = await openKeeping({ folder, keep: 2 })
    expect(sink.messages.map(({ id }) => id)).toEqual(['4', '5'])
    await send(6, 6)
    expect(sink.messages.map(({ id }) => id)).toEqual(['5', '6'])
    expect(sink.messages[1]?.bytes.toString()).toContain('\r\n')
    expect(await readdir(folder)).toHaveLength((all / 5) * 2)
  })
})

test('the command keeps what --keep says, and has its page where --http-host says', async () => {
  const terminal = openTerminal()
  const line = ['sink', '--port', '0', '--http-port', '0', '--http-host', '0.0.0.0', '--keep', '1', '--json']
  const ended = runCommandLine(line, terminal)
  const { smtpUrl, url } = await eventually(
    'its addresses',
    () => JSON.parse(terminal.stdout.text) as { smtpUrl: string; url: string },
  )
  const port = Number(new URL(smtpUrl).port)
  for (const name of ['ann', 'bob']) await sendOne(port, `${name}@example.com`)
  const stats = await (await fetch(`http://127.0.0.1:${new URL(url).port}/api/stats`)).json()
  expect(stats).toMatchObject({ messages: 2 })
  // Every address of 127.0.0.0/8 is this machine's, and a page on 127.0.0.1 alone would answer at no other.
  const elsewhere = await fetch(`http://127.0.0.2:${new URL(url).port}/api/stats`)
  expect(elsewhere.status).toBe(200)
  terminal.interrupt()
  expect(await ended).toBe(0)
  expect(terminal.stderr.text).toContain('recorded 2 messages')
})

test.each([
  [['--keep', '0'], '--keep'],
  [['--keep', 'all'], '--keep'],
  [['--http-host', 'nowhere.invalid'], 'cannot listen on nowhere.invalid:0 (--http-port)'],
])('%s is refused with what is wrong', async (flags, name) => {
  const { exitCode, stderr } = await run(['sink', '--port', '0', '--http-port', '0', ...flags])
  expect(exitCode).not.toBe(0)
  expect(stderr).toContain(name)
})
