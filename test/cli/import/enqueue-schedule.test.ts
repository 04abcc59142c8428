import { describe, expect, test } from 'vitest'
import { instantOf, parseSendWindow } from '../../../src/cli/enqueue-schedule.js'
import { weekdayNames } from '../../../src/delivery/send-window.js'

describe('--send-window', () => {
  const hours = { from: '09:00', to: '17:30', timeZone: 'Europe/Berlin' }

  test.each([
    ['mon-fri 09:00-17:30 Europe/Berlin', ['mon', 'tue', 'wed', 'thu', 'fri']],
    ['Sat,mon 09:00-17:30 Europe/Berlin', ['mon', 'sat']],
    ['sat-mon 09:00-17:30 Europe/Berlin', ['mon', 'sat', 'sun']],
    ['09:00-17:30 Europe/Berlin', [...weekdayNames]],
  ])('%s', (text, days) => {
    expect(parseSendWindow(text)).toEqual({ ...hours, days })
  })

  test.each([
    '',
    'mon-fri',
    '09:00-17:30',
    'mon-fr 09:00-17:30 UTC',
    'mon-tue-fri 09:00-17:30 UTC',
    '9-17 UTC',
  ])('%j is refused with an example', (text) => {
    expect(() => parseSendWindow(text)).toThrow(
      /--send-window takes hours as in 'mon-fri 09:00-17:00 Europe\/Berlin'/,
    )
  })
})

describe('an instant', () => {
  test('says how far it is from UTC', () => {
    expect(instantOf('--send-at')('2030-05-01T09:00+02:00')).toEqual(new Date('2030-05-01T07:00:00Z'))
    expect(instantOf('--send-at')('2030-05-01T09:00:30Z')).toEqual(new Date('2030-05-01T09:00:30Z'))
  })

  test.each(['tomorrow', '2030-05-01', '2030-05-01T09:00', '2030-13-01T09:00Z', '7'])(
    '%j is refused',
    (text) => {
      expect(() => instantOf('--send-at')(text)).toThrow(
        /--send-at takes a time such as 2030-05-01T09:00\+02:00/,
      )
    },
  )
})
