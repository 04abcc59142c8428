import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { WrongResult } from '../../scripts/bench/command.js'
import { arrived, type DrainOptions, drain } from '../../scripts/bench/speed/drain.js'
import { openBench } from '../../scripts/bench/speed/open-bench.js'
import { enqueueNewsletter, requireSent } from '../../scripts/bench/speed/ours.js'
import type { Sender } from '../../scripts/bench/speed/sender.js'
import { python } from '../../scripts/bench/speed/sides/python.js'
import { Counter, type CountingSink } from '../../scripts/bench/speed/smtp-sink.js'
import { verify, verifyAll } from '../../scripts/bench/speed/verify.js'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { requireProgram } from '../helpers/programs.js'
import { bench, faultyPeer, victim } from './fixtures/faulty-peer.js'

const never = new AbortController().signal
const patienceMs = 500
const attachment = { filename: 'programme.bin', content: Buffer.alloc(10) }

test('a peer that sends what its rows say is taken at its word, with the bytes of a message', async () => {
  const verified = await verify(
    'the peer',
    faultyPeer((mail) => [mail]),
    bench,
    patienceMs,
  )
  expect(verified).toMatchObject({ name: 'the peer', messages: 5 })
  expect(verified.bytes).toBeGreaterThan(8_000)
})

test.each([
  ['drops one', faultyPeer(() => []), `the message for ${victim} did not arrive`],
  ['sends one twice', faultyPeer((mail) => [mail, mail]), '6 messages arrived, and 5 were to be sent'],
  [
    'sends one to somebody else',
    faultyPeer((mail) => [{ ...mail, to: 'nobody@example.com' }]),
    'did not arrive',
  ],
  [
    'changes a subject',
    faultyPeer((mail) => [{ ...mail, subject: 'News' }]),
    `the message for ${victim} has another subject`,
  ],
  [
    'changes a header',
    faultyPeer((mail) => [{ ...mail, headers: { 'X-Member': 'none' } }]),
    'has another header',
  ],
  ['changes a text', faultyPeer((mail) => [{ ...mail, text: `${mail.text}.` }]), 'has another text part'],
  [
    'changes a page',
    faultyPeer((mail) => [{ ...mail, html: mail.html.replace('href="', 'href="x') }]),
    'has another HTML part',
  ],
  ['attaches what it should not', faultyPeer((mail) => [{ ...mail, attachments: [attachment] }]), '1 attach'],
  [
    'attaches nothing',
    faultyPeer((mail) => [{ ...mail, attachments: [] }], { attachment: true, count: 3 }),
    `the message for ${victim} has 0 attachments`,
  ],
  [
    'changes an attachment',
    faultyPeer((mail) => [{ ...mail, attachments: [attachment] }], { attachment: true, count: 3 }),
    `the message for ${victim} has another attachment`,
  ],
  ['signs nothing', faultyPeer((mail) => [mail], { dkim: true }), 'has no valid signature'],
])('a peer that %s is found out, and it is said where', async (_, peer, problem) => {
  const failed = verify('the peer', peer, bench, patienceMs)
  await expect(failed).rejects.toThrow(WrongResult)
  await expect(failed).rejects.toThrow(/^the peer: /)
  await expect(failed).rejects.toThrow(problem)
})

test('what two sides have in common is looked at once', async () => {
  let started = 0
  const right = faultyPeer((mail) => [mail])
  const proof = {
    ...right,
    start: (...place: Parameters<typeof right.start>) => {
      started += 1
      return right.start(...place)
    },
  }
  const side = (name: string) => ({ name, proof, run: async () => ({}) })
  expect(await verifyAll([side('one'), side('other')], bench)).toMatchObject([{ name: 'one' }])
  expect(started).toBe(1)
})

/** A sink that hears of so many messages and then of no more. */
function sinkOf(counter: Counter): CountingSink {
  return {
    port: 0,
    lost: never,
    get count() {
      return counter.count
    },
    reached: (count, signal) => counter.reached(count, signal),
    async [Symbol.asyncDispose]() {},
  }
}

const senderOf = (lost: AbortSignal = never): Sender => ({
  lost,
  usage: async () => ({ cpuMs: 1, rssBytes: 1 }),
  async [Symbol.asyncDispose]() {},
})

function drainOf(came: number, sender = senderOf(), more: Partial<DrainOptions> = {}) {
  const counter = new Counter()
  const options = { who: 'the peer', warmUp: 2, timed: 8, signal: never, stallMs: 300, ...more }
  const start = async () => {
    counter.read('mesg=2\r')
    setImmediate(() => counter.read(`mesg=${came}\r`))
    return sender
  }
  return drain(sinkOf(counter), start, options)
}

test('a message too few ends a measurement when none comes any more, and one too many fails it', async () => {
  expect(await drainOf(10)).toMatchObject({ perSecond: expect.any(Number), cpuMs: 0 })
  await expect(drainOf(9)).rejects.toThrow('the peer: 9 of 10 messages arrived, then none for 0.3 s')
  await expect(drainOf(11)).rejects.toThrow('the peer: 11 messages arrived, and 10 were to be sent')
})

test('a sender that ends, a sink that ends and Ctrl-C end a measurement at once', async () => {
  const ended = AbortSignal.abort(new Error('it ended'))
  const slow = { stallMs: 60_000 }
  await expect(drainOf(9, senderOf(ended), slow)).rejects.toThrow('it ended')
  await expect(drainOf(9, senderOf(), { ...slow, signal: ended })).rejects.toThrow('it ended')
  const options = { who: '', warmUp: 1, timed: 1, signal: never, ...slow }
  const sink = { ...sinkOf(new Counter()), lost: ended }
  await expect(arrived(sink, 1, options)).rejects.toThrow('it ended')
})

test('our own counts have to be those of the sink', async () => {
  await using redis = await openPrivateRedis()
  await enqueueNewsletter(redis.url, 3)
  await expect(requireSent(redis.url, 3)).rejects.toThrow('FluxMail counts 0 sent and 3 pending of 3')
  const stopped = enqueueNewsletter(redis.url, 3, { signal: AbortSignal.abort(new Error('stopped')) })
  await expect(stopped).rejects.toThrow('stopped')
})

test('a wrong result ends the command with 1 and a sentence', async () => {
  const run = (fault: string) =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', 'test/bench/fixtures/wrong-bench.ts', fault])
  await expect(run('drops')).rejects.toMatchObject({
    code: 1,
    stderr: `a result is wrong: the peer: the message for ${victim} did not arrive\n`,
  })
  await expect(run('changes')).rejects.toMatchObject({
    code: 1,
    stderr: `a result is wrong: the peer: the message for ${victim} has another subject\n`,
  })
})

// The interface of FluxMail (Python) as far as the benchmark uses it.
const standIn = `
import smtplib
from email.message import EmailMessage

class FluxMail:
    def __init__(self, object_type, host, port):
        self.place = (host, port)

class BulkSender:
    def __init__(self, mail):
        self.mail = mail

    def send_batch(self, messages, progress=True):
        with smtplib.SMTP(*self.mail.place) as client:
            for fields in messages:
                message = EmailMessage()
                message["From"], message["To"] = fields["sender"], fields["recipients"][0]
                message["Subject"] = fields["subject"]
                message.set_content(fields["plain_body"])
                message.add_alternative(fields["body"], subtype="html")
                client.send_message(message)
        return {"sent": len(messages), "failed": 0}
`

test('FluxMail (Python) takes part where it is installed, and says so where it is not', async (context) => {
  for (const program of ['python3', 'smtp-sink']) requireProgram(context, program)
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const program = join(folder, 'python')
  await writeFile(join(folder, 'fluxmail.py'), standIn)
  await writeFile(program, `#!/bin/sh\nPYTHONPATH=${folder} exec python3 "$@"\n`)
  await chmod(program, 0o755)
  try {
    const options = { quick: true, full: false, messages: 20, signal: never, say: () => undefined }
    await using own = await openBench({ ...options, python: program })
    expect(python.absent?.(own)).toBeUndefined()
    expect(await verifyAll([python], own)).toMatchObject([{ name: python.name, messages: 60 }])
    expect((await python.run(own)).perSecond).toBeGreaterThan(0)
    const absent = (where: string | undefined) => python.absent?.({ ...own, python: where })
    expect(absent(undefined)).toBe('FluxMail (Python) takes part with --fluxmail PYTHON.')
    expect(absent('/nowhere/python')).toContain('/nowhere/python does not start')
    expect(absent('/bin/false')).toContain('is not installed in /bin/false')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
