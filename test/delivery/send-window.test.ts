import fc from 'fast-check'
import { expect, test } from 'vitest'
import { outsideHours } from '../../src/delivery/barred.js'
import {
  nextOpening,
  type SendWindow,
  weekdayNames,
  windowOf,
  windowText,
} from '../../src/delivery/send-window.js'

const at = (text: string) => new Date(text).getTime()
const opening = (window: SendWindow, now: string) => new Date(nextOpening(window, at(now))).toISOString()
const workdays = ['mon', 'tue', 'wed', 'thu', 'fri'] as const
const office: SendWindow = { days: workdays, from: '09:00', to: '17:00', timeZone: 'Europe/Berlin' }

test.each<[string, SendWindow, string, string]>([
  ['inside, it is now', office, '2026-11-23T10:00:00.123Z', '2026-11-23T10:00:00.123Z'],
  ['at its first instant it is open', office, '2026-11-23T08:00:00.000Z', '2026-11-23T08:00:00.000Z'],
  ['a millisecond before, it is not', office, '2026-11-23T07:59:59.999Z', '2026-11-23T08:00:00.000Z'],
  ['at its last instant it is closed', office, '2026-11-23T16:00:00.000Z', '2026-11-24T08:00:00.000Z'],
  ['from Friday evening it waits for Monday', office, '2026-11-20T16:30:00.000Z', '2026-11-23T08:00:00.000Z'],
  [
    'over the weekend of the change to summer time',
    office,
    '2026-03-27T16:30:00.000Z',
    '2026-03-30T07:00:00.000Z',
  ],
  [
    'after midnight an overnight window is that of the day before',
    { days: ['fri'], from: '22:00', to: '06:00', timeZone: 'Europe/Berlin' },
    '2026-11-21T04:00:00.000Z',
    '2026-11-21T04:00:00.000Z',
  ],
  [
    'after midnight of a day whose eve is not named, an overnight window is closed',
    { days: ['fri'], from: '22:00', to: '06:00', timeZone: 'Europe/Berlin' },
    '2026-11-20T04:00:00.000Z',
    '2026-11-20T21:00:00.000Z',
  ],
  [
    'hours that the change to summer time leaves out are those of the next day',
    { from: '02:10', to: '02:50', timeZone: 'Europe/Berlin' },
    '2026-03-29T00:30:00.000Z',
    '2026-03-30T00:10:00.000Z',
  ],
  [
    'hours that begin in what is left out begin with what follows',
    { from: '02:10', to: '05:00', timeZone: 'Europe/Berlin' },
    '2026-03-29T00:30:00.000Z',
    '2026-03-29T01:00:00.000Z',
  ],
  [
    'hours that come twice at the end of summer time open twice',
    { from: '02:10', to: '02:50', timeZone: 'Europe/Berlin' },
    '2026-10-25T00:55:00.000Z',
    '2026-10-25T01:10:00.000Z',
  ],
  [
    'a midnight that is left out is the first instant after it',
    { days: ['sun'], from: '00:00', to: '08:00', timeZone: 'America/Havana' },
    '2026-03-07T12:00:00.000Z',
    '2026-03-08T05:00:00.000Z',
  ],
  [
    'a day that a time zone skips is not waited for',
    { days: ['fri'], from: '09:00', to: '10:00', timeZone: 'Pacific/Apia' },
    '2011-12-29T12:00:00.000Z',
    '2012-01-05T19:00:00.000Z',
  ],
  [
    'whole days go until 24:00',
    { days: ['sat'], from: '00:00', to: '24:00', timeZone: 'UTC' },
    '2026-11-22T00:00:00.000Z',
    '2026-11-28T00:00:00.000Z',
  ],
])('%s', (_rule, window, now, expected) => {
  expect(opening(window, now)).toBe(expected)
})

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Havana',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Africa/Casablanca',
  'Asia/Tehran',
]
const minuteOfDay = fc.integer({ min: 0, max: 24 * 60 - 1 })
const clock = (minutes: number) =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
const windows = fc
  .record({
    days: fc.option(fc.subarray([...weekdayNames], { minLength: 1 }), { nil: undefined }),
    from: minuteOfDay,
    to: fc.integer({ min: 0, max: 24 * 60 }),
    timeZone: fc.constantFrom(...zones),
  })
  .filter(({ from, to }) => from !== to)
  .map(({ from, to, ...window }): SendWindow => ({ ...window, from: clock(from), to: clock(to) }))

/** What a clock on the wall shows, without any arithmetic of ours. */
function wallClock(timeZone: string) {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  return (now: number) => {
    const [, day = '', time = ''] = /^(\w+) (.*)$/.exec(format.format(now).replace(',', '')) ?? []
    return { day: day.toLowerCase(), time }
  }
}

function isOpenOnTheWall({ days = weekdayNames, from, to, timeZone }: SendWindow) {
  const names: readonly string[] = weekdayNames
  const show = wallClock(timeZone)
  return (now: number) => {
    const { day, time } = show(now)
    const eve = names.at(names.indexOf(day) - 1)
    const opensToday = days.some((name) => name === day)
    if (from < to) return opensToday && time >= from && time < to
    return (opensToday && time >= from) || (days.some((name) => name === eve) && time < to)
  }
}

/** Days around which clocks change are drawn as often as all others. */
const changes = [
  '2026-03-28',
  '2026-03-08',
  '2026-04-04',
  '2026-10-24',
  '2026-11-01',
  '2011-12-29',
  '2022-09-20',
]
const days = fc.oneof(
  fc.constantFrom(...changes.map((day) => at(`${day}T00:00:00Z`))),
  fc
    .integer({ min: at('2000-01-01T00:00:00Z') / 86_400_000, max: at('2037-01-01T00:00:00Z') / 86_400_000 })
    .map((day) => day * 86_400_000),
)
const instants = fc
  .tuple(days, fc.integer({ min: -86_400_000, max: 2 * 86_400_000 }))
  .map(([day, offset]) => day + offset)

test('what a clock on the wall shows minute by minute agrees: open at the opening, closed until then', () => {
  fc.assert(
    fc.property(windows, instants, (window, now) => {
      const isOpen = isOpenOnTheWall(window)
      const opens = nextOpening(window, now)
      expect(isOpen(opens)).toBe(true)
      if (opens === now) return
      expect(isOpen(now)).toBe(false)
      expect(isOpen(opens - 1)).toBe(false)
      for (let minute = Math.ceil(now / 60_000) * 60_000; minute < opens; minute += 60_000) {
        if (isOpen(minute)) throw new Error(`open at ${new Date(minute).toISOString()}`)
      }
    }),
    { numRuns: 300 },
  )
}, 120_000)

test('what is outside its hours is held until they begin, or until it expires', () => {
  const now = at('2026-11-20T16:30:00.000Z')
  const untilMonday = at('2026-11-23T08:00:00.000Z') - now
  expect(outsideHours({ sendWindow: office }, now)).toMatchObject({
    reason: {
      code: 'outside_window',
      message: 'it is sent from 09:00 to 17:00 (Europe/Berlin), next from 2026-11-23T08:00:00.000Z on',
    },
    holdMs: untilMonday,
  })
  expect(outsideHours({ sendWindow: office, expiresAt: now + 5 }, now)?.holdMs).toBe(5)
  expect(outsideHours({ sendWindow: office }, now + untilMonday)).toBeUndefined()
  expect(outsideHours({}, now)).toBeUndefined()
})

test('a window is read as it was written', () => {
  fc.assert(
    fc.property(windows, instants, (window, now) => {
      const read = windowOf(windowText(window))
      expect(nextOpening(read, now)).toBe(nextOpening(window, now))
      expect(windowText(read)).toBe(windowText(window))
    }),
  )
  expect(windowText(office)).toBe('12345 09:00 17:00 Europe/Berlin')
})
