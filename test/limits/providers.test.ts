import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import { mxResolver, type ResolveMx } from '../../src/limits/mx.js'
import { knownProviders } from '../../src/limits/provider-table.js'
import { createProviders } from '../../src/limits/providers.js'
import { openDnsServer } from './dns-server.js'

const HOUR_MS = 3_600_000

/** A clock whose timers run when it is told that time has passed. */
function handClock() {
  let now = 0
  const timers = new Set<{ readonly at: number; run(): void }>()
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const pass = (ms: number) => {
    now += ms
    for (const timer of [...timers].filter(({ at }) => at <= now)) {
      timers.delete(timer)
      timer.run()
    }
  }
  return { clock, pass, timers }
}

const tableOnly = createProviders({ clock: systemClock })

test.each([
  ['ada@gmail.com', 'google'],
  ['ada@GMail.com', 'google'],
  ['"a@b"@googlemail.com', 'google'],
  ['ada@outlook.com', 'microsoft'],
  ['ada@hotmail.co.uk', 'microsoft'],
  ['ada@live.com.mx', 'microsoft'],
  ['ada@msn.com', 'microsoft'],
  ['ada@yahoo.co.jp', 'other'],
  ['ada@yahoo.fr', 'yahoo'],
  ['ada@aol.com', 'yahoo'],
  ['ada@icloud.com', 'apple'],
  ['ada@me.com', 'apple'],
  ['ada@example.com', 'other'],
  ['ada@not-gmail.com', 'other'],
  ['ada@gmail.com.example.com', 'other'],
  ['ada@constructor', 'other'],
])('without a look-up %s belongs to %s, by its domain alone', async (address, provider) => {
  expect(tableOnly.of(address)).toBe(provider)
  expect(await tableOnly.ask(address)).toBe(provider)
  expect(knownProviders).toContain(provider)
})

test('a table of our own extends the known one, and goes before it', () => {
  const table = { 'example.com': 'google', 'bücher.example': 'books', 'aol.com': 'aol' }
  const { of } = createProviders({ table, clock: systemClock })
  expect(of('ada@example.com')).toBe('google')
  expect(of('ada@xn--bcher-kva.example')).toBe('books')
  expect(of('ada@aol.com')).toBe('aol')
  expect(of('ada@gmail.com')).toBe('google')
})

test('DNS says whose hosts take the mail of a domain, by the best that is known, and is asked once', async () => {
  await using dns = await openDnsServer({
    'shop.example': ['aspmx.l.google.com', 'alt1.aspmx.l.google.com'],
    'firm.example': ['firm-example.mail.protection.outlook.com'],
    'dane.example': ['firm-example.v1.mx.microsoft'],
    'old.example': ['mta5.am0.yahoodns.net'],
    'apple.example': ['mx01.mail.icloud.com'],
    'guarded.example': ['mx1.guard.example', 'aspmx.l.google.com'],
    'filtered.example': ['in.filter.example'],
    'own.example': ['mail.own.example'],
    'none.example': ['.'],
  })
  const table = { 'filter.example': 'filter', 'guard.example': 'guard' }
  const resolveMx = mxResolver([dns.address])
  const providers = createProviders({ table, mxLookup: true, clock: systemClock, resolveMx })
  const expected = {
    'shop.example': 'google',
    'firm.example': 'microsoft',
    'dane.example': 'microsoft',
    'old.example': 'yahoo',
    'apple.example': 'apple',
    'guarded.example': 'guard',
    'filtered.example': 'filter',
    'own.example': 'other',
    'none.example': 'other',
    'nowhere.example': 'other',
  }
  for (const [domain, provider] of Object.entries(expected)) {
    expect(providers.of(`ada@${domain}`)).toBe('other')
    const both = [providers.ask(`ada@${domain}`), providers.ask(`bob@${domain}`)]
    expect(await Promise.all(both)).toEqual([provider, provider])
    expect(providers.of(`eve@${domain}`)).toBe(provider)
  }
  expect(dns.asked).toEqual(Object.keys(expected))
  await providers.ask('ada@gmail.com')
  await providers.ask('ada@shop.example')
  expect(dns.asked).toHaveLength(Object.keys(expected).length)
})

test('a name server that is silent costs two seconds once, and is asked again after five minutes', async () => {
  await using dns = await openDnsServer({ 'silent.example': [] })
  const { clock, pass, timers } = handClock()
  const resolveMx = mxResolver([dns.address])
  const providers = createProviders({ mxLookup: true, clock, resolveMx })
  const asking = providers.ask('ada@silent.example')
  pass(2_000)
  expect(await asking).toBe('other')
  expect(await providers.ask('ada@silent.example')).toBe('other')
  expect(timers.size).toBe(0)
  pass(5 * 60_000)
  const again = providers.ask('ada@silent.example')
  expect(timers.size).toBe(1)
  pass(2_000)
  expect(await again).toBe('other')
})

test('what DNS said is kept for an hour, and asked anew then', async () => {
  const { clock, pass } = handClock()
  let host = 'aspmx.l.google.com'
  let asked = 0
  const resolveMx: ResolveMx = async () => {
    asked += 1
    return [host]
  }
  const providers = createProviders({ mxLookup: true, clock, resolveMx })
  expect(await providers.ask('ada@shop.example')).toBe('google')
  host = 'mx01.mail.icloud.com'
  pass(HOUR_MS - 1)
  expect(await providers.ask('ada@shop.example')).toBe('google')
  pass(1)
  expect(providers.of('ada@shop.example')).toBe('other')
  expect(await providers.ask('ada@shop.example')).toBe('apple')
  expect(asked).toBe(2)
})

test('ten thousand domains are remembered, the latest', async () => {
  const asked: string[] = []
  const resolveMx: ResolveMx = async (domain) => {
    asked.push(domain)
    return ['aspmx.l.google.com']
  }
  const providers = createProviders({ mxLookup: true, clock: systemClock, resolveMx })
  for (let n = 0; n <= 10_000; n += 1) await providers.ask(`ada@d${n}.example`)
  expect(providers.of('ada@d1.example')).toBe('google')
  expect(providers.of('ada@d0.example')).toBe('other')
  expect(asked).toHaveLength(10_001)
})

test('fifty questions are under way at the most; who comes then takes the word of the table, and asks later', async () => {
  const { clock, pass } = handClock()
  const asked: string[] = []
  const resolveMx: ResolveMx = (domain) => {
    asked.push(domain)
    return new Promise(() => {})
  }
  const providers = createProviders({ mxLookup: true, clock, resolveMx })
  const waiting = Array.from({ length: 50 }, (_, n) => providers.ask(`ada@d${n}.example`))
  expect(await providers.ask('ada@late.example')).toBe('other')
  expect(asked).toHaveLength(50)
  pass(2_000)
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['other']))
  const late = providers.ask('ada@late.example')
  expect(asked).toHaveLength(51)
  pass(2_000)
  await late
})
