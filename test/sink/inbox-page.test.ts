import fc from 'fast-check'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { letter, openClient, sendOne } from './clients.js'

let sink: Sink

beforeAll(async () => {
  sink = await openSink()
})

afterAll(() => sink.close())

beforeEach(() => sink.clear())

async function get(path: string, init?: RequestInit) {
  const response = await fetch(new URL(path, sink.url), init)
  const text = await response.text()
  return { response, text, json: () => JSON.parse(text) }
}

async function mail(options: SendMailOptions): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port: sink.smtpPort })
  await transport.sendMail({ from: 'Ann <ann@sender.example>', to: 'bob@example.com', ...options })
  return sink.messages.at(-1)?.id ?? ''
}

async function mailRaw(bytes: Buffer): Promise<string> {
  await sendOne(sink.smtpPort, 'bob@example.com', bytes)
  return sink.messages.at(-1)?.id ?? ''
}

describe('the list', () => {
  test('shows the newest first, a page at a time', async () => {
    using client = await openClient(sink.smtpPort)
    for (let index = 0; index < 120; index++) await client.send(`reader-${index}@example.com`)
    const first = (await get('/api/messages?limit=50')).json()
    expect(first).toMatchObject({ total: 120, limit: 50, offset: 0 })
    expect(first.messages).toHaveLength(50)
    expect(first.messages[0]).toMatchObject({
      to: ['reader-119@example.com'],
      subject: 'Hello',
      from: 'ann@sender.example',
    })
    const last = (await get('/api/messages?limit=50&offset=100')).json()
    expect(last.messages.map(({ to }: { to: string[] }) => to[0]).at(-1)).toBe('reader-0@example.com')
    expect(last.messages).toHaveLength(20)
    expect((await get('/api/messages?offset=500')).json().messages).toEqual([])
    const page = (await get('/?offset=50')).text
    expect(page).toContain('reader-69@example.com')
    expect(page).not.toContain('reader-70@example.com')
    expect(page).toContain('51–100 of 120')
    expect(page).toContain('href="/?offset=100"')
  })

  test('is searched by any part of a recipient, in any case', async () => {
    await sendOne(sink.smtpPort, ['ann@example.com', 'Zoe@Other.example'])
    await sendOne(sink.smtpPort, 'bob@example.com')
    const found = (await get('/api/messages?to=zoe%40other')).json()
    expect([found.total, found.messages[0].to]).toEqual([1, ['ann@example.com', 'Zoe@Other.example']])
    expect((await get('/?to=nobody')).text).toContain('No message to a recipient with')
  })

  test('says where to send while there is nothing', async () => {
    const { text } = await get('/')
    expect(text).toContain('Waiting for mail')
    expect(text).toContain(`127.0.0.1:${sink.smtpPort}`)
    expect(text).toContain('defer-2-x@')
  })

  test.each(['limit=0', 'limit=501', 'limit=x', 'offset=-1', 'offset=1.5', 'limit=1&limit=2'])(
    'refuses ?%s with 400 and a reason',
    async (query) => {
      const { response, json } = await get(`/api/messages?${query}`)
      expect(response.status).toBe(400)
      expect(json().error).toMatch(/must be a whole number/)
    },
  )
})

describe('a message', () => {
  test('comes as JSON with its headers, texts and attachments', async () => {
    const id = await mail({
      subject: 'Grüße',
      to: '"Zoë Müller" <zoe@bücher.example>',
      text: 'plain',
      html: '<p>rich</p>',
      attachments: [{ filename: 'übersicht.pdf', content: Buffer.from('%PDF') }],
    })
    const found = (await get(`/api/messages/${id}`)).json()
    expect(found).toMatchObject({
      id,
      from: 'ann@sender.example',
      to: ['zoe@xn--bcher-kva.example'],
      sender: { name: 'Ann', address: 'ann@sender.example' },
      recipients: [{ name: 'Zoë Müller', address: 'zoe@xn--bcher-kva.example' }],
      subject: 'Grüße',
      text: 'plain\n',
      html: '<p>rich</p>\n',
      attachments: [{ filename: 'übersicht.pdf', contentType: 'application/pdf', size: 4 }],
    })
    expect(found.headers).toContainEqual({ name: 'MIME-Version', value: '1.0' })
    const file = await get(found.attachments[0].url)
    expect(file.text).toBe('%PDF')
  })

  test('comes raw, byte for byte', async () => {
    const bytes = Buffer.from(
      'Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xff\xfe\x00 raw\r\n',
      'latin1',
    )
    const id = await mailRaw(bytes)
    const response = await fetch(new URL(`/api/messages/${id}/raw`, sink.url))
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes)
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="message-${id}.eml"`)
  })

  test('has a page with a tab for each part', async () => {
    const id = await mail({
      subject: 'Tabs',
      text: 'the text',
      html: '<p>x</p>',
      headers: { 'X-Mark': 'here' },
    })
    expect((await get(`/messages/${id}`)).text).toContain(`src="/messages/${id}/html"`)
    expect((await get(`/messages/${id}?tab=text`)).text).toContain('the text')
    expect((await get(`/messages/${id}?tab=headers`)).text).toMatch(/X-Mark<\/th><td>here/)
    expect((await get(`/messages/${id}?tab=files`)).text).toContain('no attachments')
    expect((await get(`/messages/${id}?tab=source`)).text).toContain('X-Mark: here')
    expect((await get(`/messages/${id}?tab=toString`)).text).toContain(`src="/messages/${id}/html"`)
  })

  test('without HTML opens on its text', async () => {
    const id = await mail({ subject: 'x', text: 'only text' })
    expect((await get(`/messages/${id}`)).text).toContain('only text')
    expect((await get(`/messages/${id}/html`)).response.status).toBe(404)
  })

  test.each([
    '/messages/99',
    '/messages/99/html',
    '/messages/99/attachments/0',
    '/api/messages/99',
    '/api/messages/99/raw',
    '/nothing',
    '/api/nothing',
  ])('%s is 404', async (path) => {
    const { response, text } = await get(path)
    expect(response.status).toBe(404)
    expect(text).toMatch(/There is no/)
  })
})

describe('the figures', () => {
  test('count messages, recipients, connections and replies', async () => {
    const before = sink.connections
    await sendOne(sink.smtpPort, ['a@example.com', 'b@example.com', 'reject-c@example.com'])
    await sendOne(sink.smtpPort, 'a@example.com')
    expect((await get('/api/stats')).json()).toMatchObject({
      messages: 2,
      recipients: 2,
      connections: before + 2,
      replies: { 354: 2, 550: 1 },
    })
    expect((await get('/')).text).toContain('550 × 1')
  })

  test('an event tells a page that messages came', async () => {
    const abort = new AbortController()
    const response = await fetch(new URL('/api/events', sink.url), { signal: abort.signal })
    const events = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await events?.read())?.value).toBe(': open\n\n')
    await sendOne(sink.smtpPort, 'a@example.com')
    expect((await events?.read())?.value).toBe('event: change\ndata: messages\n\n')
    abort.abort()
  })
})

describe('deleting', () => {
  test('by DELETE and by the form of the page', async () => {
    await sendOne(sink.smtpPort, 'a@example.com')
    expect((await get('/api/messages', { method: 'DELETE' })).response.status).toBe(204)
    expect(sink.messages).toEqual([])
    await sendOne(sink.smtpPort, 'a@example.com')
    const origin = new URL(sink.url ?? '').origin
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin }
    const { response } = await get('/clear', { method: 'POST', redirect: 'manual', headers, body: '' })
    expect([response.status, response.headers.get('location')]).toEqual([303, '/'])
    expect(sink.messages).toEqual([])
  })

  test.each(['https://evil.example', 'null'])('is refused to a page of %s', async (origin) => {
    await sendOne(sink.smtpPort, 'a@example.com')
    expect((await get('/clear', { method: 'POST', headers: { origin } })).response.status).toBe(403)
    expect((await get('/api/messages', { method: 'DELETE', headers: { origin } })).response.status).toBe(403)
    expect(sink.messages).toHaveLength(1)
  })
})

describe('a hostile mail', () => {
  const attack = `"'><script>alert(1)</script><img src=x onerror=alert(2)>`

  test('puts no markup of its own into any page', async () => {
    const html = `<script>alert(3)</script>${attack}`
    const id = await mail({
      subject: attack,
      from: { name: attack, address: 'evil@sender.example' },
      to: { name: attack, address: 'bob@example.com' },
      cc: { name: attack, address: 'cc@example.com' },
      headers: { 'X-Evil': attack },
      text: attack,
      html,
      attachments: [{ filename: attack, content: 'x', contentType: 'text/html' }],
    })
    for (const path of [
      '/',
      `/?to=${encodeURIComponent(attack)}`,
      `/messages/${encodeURIComponent(attack)}`,
    ]) {
      expect((await get(path)).text).not.toMatch(/<script>|<img|onerror=alert\(2\)>/)
    }
    for (const tab of ['html', 'text', 'headers', 'files', 'source']) {
      const { text } = await get(`/messages/${id}?tab=${tab}`)
      expect(text).not.toMatch(/<script>|<img|onerror=alert\(2\)>/)
      expect(text).toContain('&lt;script&gt;')
    }
  })

  test('whatever its subject and names, the page has the elements of the page alone', async () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('<b>', '</title>', '"', "'", '&lt;', '-->', '`', attack),
    )
    const text = fc
      .array(piece, { minLength: 1, maxLength: 6 })
      .map((pieces) => pieces.join('').replace(/[\r\n\0]/g, ''))
    const tagsOf = (page: string) =>
      page.match(/<[a-z!/][^>]*>/gi)?.filter((tag) => !tag.startsWith('<time')).length
    const plain = await mail({
      subject: 'x',
      from: { name: 'x', address: 'e@x.example' },
      to: 'b@x.example',
      text: 'x',
    })
    const expected = tagsOf((await get(`/messages/${plain}`)).text)
    await fc.assert(
      fc.asyncProperty(text, text, async (subject, name) => {
        await sink.clear()
        const from = { name: `x${name}x`, address: 'e@x.example' }
        const id = await mail({ subject: `x${subject}`, from, to: 'b@x.example', text: 'x' })
        expect(tagsOf((await get(`/messages/${id}`)).text)).toBe(expected)
      }),
      { numRuns: 50 },
    )
  })

  test('has its HTML in a frame without scripts, origin, forms or network', async () => {
    const id = await mail({ html: '<script>1</script><img src="https://tracker.example/x.gif">' })
    const page = (await get(`/messages/${id}`)).text
    expect(page).toMatch(/<iframe [^>]*sandbox="allow-popups allow-popups-to-escape-sandbox"/)
    expect(page).toContain('Remote images and styles are blocked')
    const { headers } = (await get(`/messages/${id}/html`)).response
    const policy = headers.get('content-security-policy')?.split('; ')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain('img-src data:')
    expect(policy).toContain("form-action 'none'")
    expect(policy?.find((rule) => rule.startsWith('sandbox'))).not.toMatch(
      /allow-(scripts|same-origin|forms|top)/,
    )
    expect(headers.get('referrer-policy')).toBe('no-referrer')
  })

  test('shows its cid: images, and only images', async () => {
    const html =
      '<img src="cid:logo@x"><img src=cid:page%40x><div style="background:url(cid:logo@x)"></div> cid:logo@x'
    const attachments = [
      { filename: 'l.png', content: Buffer.from('PNG'), cid: 'logo@x', contentType: 'image/png' },
      { filename: 'p.html', content: '<b>', cid: 'page@x', contentType: 'text/html' },
    ]
    const id = await mail({ html, attachments })
    const { text } = await get(`/messages/${id}/html`)
    expect(text).toContain('<img src="data:image/png;base64,UE5H">')
    expect(text).toContain('url(data:image/png;base64,UE5H)')
    expect(text).toContain('<img src=cid:page%40x>')
    expect(text).toContain('</div> cid:logo@x')
  })

  test('has attachments that are saved under a harmless name and never opened', async () => {
    const id = await mail({
      attachments: [{ filename: '../..\\"é"\u202egnp.html', content: '<script>', contentType: 'text/html' }],
    })
    const { headers } = (await get(`/messages/${id}/attachments/0`)).response
    expect(headers.get('content-type')).toBe('application/octet-stream')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    const [, plain, encoded] =
      /^attachment; filename="([^"]*)"; filename\*=UTF-8''([\w.%-]*)$/.exec(
        headers.get('content-disposition') ?? '',
      ) ?? []
    expect(plain).toMatch(/^[\w. -]+$/)
    expect(decodeURIComponent(encoded ?? '')).toMatch(/^\.\._\.\._.*é.*_gnp\.html$/)
  })

  test('of any bytes at all is listed, shown and served', async () => {
    const header = fc.constantFrom(
      'Content-Type: multipart/mixed; boundary=x\r\n',
      'Content-Type: text/html; charset=nonsense\r\n',
      'Content-Transfer-Encoding: base64\r\n',
      'Subject: =?utf-8?b?////?=\r\n',
      'From: <<>>,;:"\r\n',
      'Date: 99999999999999999\r\n',
      '\r\n',
      '--x\r\n',
    )
    const part = fc.oneof(
      header.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    )
    using client = await openClient(sink.smtpPort)
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), async (parts) => {
        await client.send('bob@example.com', Buffer.concat(parts))
        const id = sink.messages.at(-1)?.id
        for (const path of [
          '/',
          `/messages/${id}`,
          `/messages/${id}?tab=source`,
          `/api/messages/${id}`,
          '/api/messages?limit=1',
        ])
          expect((await get(path)).response.status).toBe(200)
      }),
      { numRuns: 50 },
    )
  })

  test('nested deeper than anybody reads says so and shows its source', async () => {
    const depth = 400
    const open = Array.from(
      { length: depth },
      (_, level) => `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n`,
    )
    const id = await mailRaw(Buffer.from(`Subject: deep\r\n${open.join('')}\r\nend\r\n`))
    const { response, text } = await get(`/messages/${id}`)
    expect(response.status).toBe(200)
    expect(text).toContain('cannot be read as mail')
    expect((await get(`/api/messages/${id}`)).json().fault).toMatch(/./)
  })
})

describe('every answer', () => {
  test('forbids scripts of others, framing and caching', async () => {
    await sendOne(sink.smtpPort, 'a@example.com', letter)
    for (const path of ['/', `/messages/${sink.messages[0]?.id}`, '/nothing', '/api/stats']) {
      const { headers } = (await get(path)).response
      expect(headers.get('content-security-policy')).toMatch(
        /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/,
      )
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })

  test('is refused under a name that is not this machine, while on loopback', async () => {
    const { request } = await import('node:http')
    const statusFor = (host: string) =>
      new Promise((resolve, reject) => {
        const asked = request({ port: sink.httpPort, host: '127.0.0.1', headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        asked.on('error', reject)
        asked.end()
      })
    expect(await statusFor('rebound.example')).toBe(403)
    expect(await statusFor('127.0.0.1.rebound.example')).toBe(403)
    expect(await statusFor('localhost:1234')).toBe(200)
    expect(await statusFor('[::1]:1234')).toBe(200)
  })
})
