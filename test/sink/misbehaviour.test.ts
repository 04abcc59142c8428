import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { letter, openClient, RawClient, sendOne } from './clients.js'

let sink: Sink

beforeEach(async () => {
  sink = await openSink({ httpPort: false })
})

afterEach(() => sink.close())

describe('refusals come at RCPT', () => {
  test('defer-2 answers 451 twice, then accepts, counted for each address', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope()
    expect(await client.ask('RCPT TO:<defer-2-a@example.com>')).toMatch(
      /^451 4\.7\.1 <defer-2-a@example.com>/,
    )
    expect(await client.ask('RCPT TO:<defer-2-b@example.com>')).toMatch(/^451 4\.7\.1 /)
    expect(await client.ask('RCPT TO:<DEFER-2-A@example.com>')).toMatch(/^451 4\.7\.1 /)
    expect(await client.ask('RCPT TO:<defer-2-a@example.com>')).toMatch(/^250 2\.1\.5 /)
    expect(await client.ask('RCPT TO:<defer-2-b@example.com>')).toMatch(/^451 /)
    expect(await client.ask('RCPT TO:<defer-2-b@example.com>')).toMatch(/^250 /)
  })

  test('reject answers 550 5.1.1 and nothing is recorded', async () => {
    await expect(sendOne(sink.smtpPort, 'reject-a@example.com')).rejects.toMatchObject({
      responseCode: 550,
      response: expect.stringMatching(/^550 5\.1\.1 <reject-a@example.com>: .*User unknown/),
    })
    expect(sink.messages).toEqual([])
  })

  test('full answers 452 4.2.2', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope()
    expect(await client.ask('RCPT TO:<full-a@example.com>')).toMatch(/^452 4\.2\.2 .*full/)
  })

  test('busy answers 421 and closes', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope()
    client.write('RCPT TO:<busy-a@example.com>\r\nDATA\r\nNOOP\r\n')
    expect(await client.reply()).toMatch(/^421 4\.3\.2 /)
    expect(await client.rest()).toBe('')
  })

  test('one refused recipient does not keep the others from the message', async () => {
    const { accepted, rejectedErrors } = await sendOne(sink.smtpPort, [
      'ann@example.com',
      'reject-b@example.com',
      'full-c@example.com',
      'dan@example.com',
    ])
    expect(accepted).toEqual(['ann@example.com', 'dan@example.com'])
    expect(rejectedErrors.map((error) => error.responseCode)).toEqual([550, 452])
    expect(sink.messages.map(({ to }) => to)).toEqual([['ann@example.com', 'dan@example.com']])
  })
})

describe('faults after RCPT', () => {
  test('cut closes after DATA without a 354, and nothing is recorded', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope('ann@example.com', 'cut-b@example.com')
    client.write('DATA\r\n')
    expect(await client.rest()).toBe('')
    expect(sink.messages).toEqual([])
    expect(sink.replies.get(354)).toBeUndefined()
  })

  test('cut answers a pipelined envelope up to DATA, and no further', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.ask('EHLO client.example')
    client.write(`MAIL FROM:<a@b.example>\r\nRCPT TO:<cut-a@example.com>\r\nDATA\r\n${letter}.\r\nNOOP\r\n`)
    expect(await client.rest()).toMatch(/^250 2\.1\.0 Accepted\r\n250 2\.1\.5 Accepted\r\n$/)
    expect(sink.messages).toEqual([])
  })

  test('cut is a lost connection to a real client, whose next connection works', async () => {
    await expect(sendOne(sink.smtpPort, 'cut-a@example.com')).rejects.toMatchObject({ code: 'ECONNECTION' })
    await sendOne(sink.smtpPort, 'ann@example.com')
    expect(sink.messages).toHaveLength(1)
  })

  test('a transaction that was reset no longer cuts the next one', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope('cut-a@example.com')
    await client.ask('RSET')
    await client.envelope('ann@example.com')
    expect(await client.ask('DATA')).toMatch(/^354 /)
  })

  test('lost records the message and closes without a reply', async () => {
    using client = await RawClient.open(sink.smtpPort)
    await client.envelope('lost-a@example.com')
    await client.ask('DATA')
    client.write(`${letter}.\r\nNOOP\r\n`)
    expect(await client.rest()).toBe('')
    expect(sink.messages.map(({ to }) => to)).toEqual([['lost-a@example.com']])
  })

  test('slow records the message at once and answers it only after its time', async () => {
    using client = await openClient(sink.smtpPort)
    const startedAt = performance.now()
    let answered = false
    const sent = client.send('slow-0.3-a@example.com').finally(() => {
      answered = true
    })
    await sink.waitForMessages(1)
    expect(answered).toBe(false)
    expect((await sent).response).toMatch(/^250 2\.0\.0 Ok: queued as 1$/)
    expect(performance.now() - startedAt).toBeGreaterThan(290)
  })
})

describe('what holds for every recipient', () => {
  test('latencyMs holds back the reply to every message', async () => {
    await using slow = await openSink({ httpPort: false, latencyMs: 150 })
    using client = await openClient(slow.smtpPort)
    const startedAt = performance.now()
    await client.send('a@example.com')
    await client.send('b@example.com')
    expect(performance.now() - startedAt).toBeGreaterThan(290)
  })

  test('maxMessagesPerConnection answers the next MAIL FROM with 421 and closes', async () => {
    await using strict = await openSink({ httpPort: false, maxMessagesPerConnection: 2 })
    using client = await openClient(strict.smtpPort)
    await client.send('a@example.com')
    await client.send('b@example.com')
    await expect(client.send('c@example.com')).rejects.toMatchObject({ responseCode: 421 })
    await sendOne(strict.smtpPort, 'c@example.com')
    expect(strict.messages.map(({ connection }) => connection)).toEqual([1, 1, 2])
    expect(strict.connections).toBe(2)
  })
})
