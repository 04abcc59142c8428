import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { createSigner } from '../../src/smtp/dkim.js'
import { type OpenSigner, openSigner } from '../../src/smtp/signer.js'
import { openSigningThread, ThreadEnded } from '../../src/smtp/signing-thread.js'
import { createSigningKey, isValid } from './dkim-verifiers.js'
import { openScriptedRelay } from './scripted-relay.js'
import { countedPool, sendMany } from './sending.js'

const run = promisify(execFile)
const signing = createSigningKey('ed25519')
const dkim = {
  domainName: 'example.com',
  keySelector: 'k',
  key: signing.key,
  skipFields: new Set<string>(),
}
const here = createSigner(dkim, systemClock)
const header = 'From: a@example.com\r\nSubject: x\r\n\r\n'
const messages = (count: number) => Array.from({ length: count }, (_, n) => Buffer.from(`${header}${n}\r\n`))

/** The threads that were begun since the last test. */
const threads: Worker[] = []
const note = (thread: Worker) => void threads.push(thread)
process.on('worker', note)
afterEach(() => void threads.splice(0))
afterAll(() => void process.off('worker', note))

function signerFor(lost: (problem: string) => void = () => undefined): OpenSigner & Disposable {
  const signer = openSigner(dkim, systemClock, lost)
  return Object.assign(signer, { [Symbol.dispose]: () => signer.close() })
}

/** The thread that was begun, once it has been asked for something. */
async function threadOf(signer: OpenSigner): Promise<Worker> {
  await signAll(signer, 8)
  const [thread] = threads
  if (thread === undefined) throw new Error('no thread was begun')
  const posted = vi.spyOn(thread, 'postMessage')
  await expect
    .poll(async () => {
      await signAll(signer, 8)
      return posted.mock.calls.length
    })
    .toBeGreaterThan(0)
  posted.mockRestore()
  return thread
}

async function signAll(signer: OpenSigner, count: number): Promise<string[]> {
  return (await Promise.all(messages(count).map((message) => signer.sign(message)))).map(String)
}

async function expectedOf(count: number): Promise<string[]> {
  return (await Promise.all(messages(count).map((message) => here.sign(message)))).map(String)
}

const piece = fc.oneof(
  fc.stringMatching(/^[a-z .]{0,40}$/).map((text) => Buffer.from(`${text} \t\r\n`)),
  fc.constantFrom(
    Buffer.alloc(70_000, 'base64'),
    Buffer.alloc(300_000, 'two  blanks \t\r\n'),
    Buffer.alloc(70_000, ' '),
    Buffer.alloc(0),
  ),
)
const message = fc.array(piece, { maxLength: 4 }).map((pieces) => [Buffer.from(header), ...pieces])

test('a thread makes the signatures that are made without it, whatever it is asked at once', async () => {
  const thread = openSigningThread(() => undefined)
  if (thread === undefined) throw new Error('there is no built thread')
  await expect.poll(() => thread.isReady).toBe(true)
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 9 }), async (all) => {
      const heads = await Promise.all(all.map((pieces) => thread.sign(dkim, pieces)))
      const expected = await Promise.all(all.map((pieces) => here.sign(pieces)))
      expect(heads.map(String)).toEqual(expected.map(String))
    }),
    { numRuns: 100 },
  )
  thread.close()
  await expect.poll(() => threads[0]?.threadId).toBe(-1)
})

test('a thread that is closed answers all that it was asked, and ends', async () => {
  const ended = vi.fn()
  const thread = openSigningThread(ended)
  if (thread === undefined) throw new Error('there is no built thread')
  const heads = messages(20).map((each) => thread.sign(dkim, [each]))
  thread.dismiss(dkim)
  thread.close()
  expect((await Promise.all(heads)).map(String)).toEqual(await expectedOf(20))
  await expect.poll(() => threads[0]?.threadId).toBe(-1)
  expect(ended).not.toHaveBeenCalled()
  await expect(thread.sign(dkim, messages(1))).rejects.toThrow(ThreadEnded)
})

test('one message is signed without a thread, several at the same time begin one for all relays', async () => {
  using first = signerFor()
  using second = signerFor()
  for (const each of messages(20)) await first.sign(each)
  expect(threads).toEqual([])
  const thread = await threadOf(first)
  expect(await signAll(second, 20)).toEqual(await expectedOf(20))
  expect(threads).toEqual([thread])
  first.close()
  expect(await signAll(second, 20)).toEqual(await expectedOf(20))
  expect(await signAll(first, 20)).toEqual(await expectedOf(20))
  expect(thread.threadId).toBeGreaterThan(0)
  second.close()
  await expect.poll(() => thread.threadId).toBe(-1)
})

test('one message for many recipients is signed once there too', async () => {
  using signer = signerFor()
  await threadOf(signer)
  const [each = Buffer.alloc(0)] = messages(1)
  const [first, second] = await Promise.all([signer.sign(each), signer.sign(each)])
  expect(second).toBe(first)
  expect(await signer.sign(each)).toBe(first)
})

test('when the thread dies every message is signed, its loss is told, and later there is another', async () => {
  const problems: string[] = []
  using signer = signerFor((problem) => void problems.push(problem))
  const thread = await threadOf(signer)
  const signed = signAll(signer, 200)
  await thread.terminate()
  expect(await signed).toEqual(await expectedOf(200))
  expect(problems).toEqual([
    expect.stringMatching(/^there is no thread that signs with DKIM \(.+\): messages/),
  ])
  expect(problems.join()).not.toContain('PRIVATE')
  expect(await signAll(signer, 200)).toEqual(await expectedOf(200))
  expect(threads).toHaveLength(1)
  for (let time = 0; time < 6; time += 1) await signAll(signer, 200)
  expect(threads).toHaveLength(2)
  expect(problems).toHaveLength(1)
})

test('whoever hears of a lost thread and throws keeps no message from being signed', async () => {
  using failing = signerFor(() => {
    throw new Error('the log is full')
  })
  const problems: string[] = []
  using other = signerFor((problem) => void problems.push(problem))
  const thread = await threadOf(failing)
  await signAll(other, 8)
  const signed = signAll(failing, 200)
  await thread.terminate()
  expect(await signed).toEqual(await expectedOf(200))
  expect(problems).toHaveLength(1)
})

test('a signer that is forgotten rather than closed keeps no thread', async () => {
  const closed = signerFor()
  const thread = await threadOf(closed)
  await signAll(signerFor(), 8)
  closed.close()
  expect(thread.threadId).toBeGreaterThan(0)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const threadId = () => {
    collect()
    return thread.threadId
  }
  await expect.poll(threadId, { timeout: 10_000 }).toBe(-1)
})

test('what goes wrong with one message there is thrown for that one alone', async () => {
  const thread = openSigningThread(() => undefined)
  if (thread === undefined) throw new Error('there is no built thread')
  const unfit = { ...dkim, skipFields: undefined as unknown as Set<string> }
  const fine = thread.sign(dkim, messages(1))
  const other = thread.sign(unfit, messages(1))
  await expect(other).rejects.toThrow(/undefined/)
  expect(await isValid(Buffer.concat([await fine, ...messages(1)]), signing.record)).toBe(true)
  thread.close()
  await expect.poll(() => threads[0]?.threadId).toBe(-1)
})

test('a pool that is closed while it signs sends what it has begun, and leaves no thread', async () => {
  await using relay = await openScriptedRelay()
  const pem = { domainName: 'example.com', keySelector: 'k', privateKey: signing.pem }
  using pool = countedPool(relay.port, { dkim: pem, maxConnectionsPerWorker: 10 })
  for (let time = 0; threads.length === 0; time += 1) {
    expect(time).toBeLessThan(20)
    await sendMany(pool, 40)
  }
  const [thread] = threads
  const sending = sendMany(pool, 10)
  const before = relay.bodies.length
  await expect.poll(() => pool.states.busy).toBeGreaterThan(0)
  pool.close()
  const kinds = await sending
  const sent = kinds.filter((kind) => kind === 'accepted').length
  expect(sent).toBeGreaterThan(0)
  expect(relay.bodies.length - before).toBe(sent)
  await expect.poll(() => thread?.threadId).toBe(-1)
})

test('a thread keeps no process alive', async () => {
  const place = (name: string) => JSON.stringify(resolve(`dist/src/${name}`))
  const code = `
    import { generateKeyPairSync } from 'node:crypto'
    const { openSigner } = await import(${place('smtp/signer.js')})
    const { systemClock } = await import(${place('clock.js')})
    const { privateKey: key } = generateKeyPairSync('ed25519')
    const dkim = { domainName: 'example.com', keySelector: 'k', key, skipFields: new Set() }
    const signer = openSigner(dkim, systemClock, () => undefined)
    let begun = 0
    process.on('worker', (thread) => thread.on('online', () => { begun += 1 }))
    const all = () => Promise.all(Array.from({ length: 8 }, (_, n) => signer.sign(Buffer.from('From: a\\r\\n\\r\\n' + n))))
    while (begun === 0) await all()
    for (let time = 0; time < 200; time += 1) await all()
    process.stdout.write(String(begun))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000 })
  expect(stdout).toBe('1')
})
