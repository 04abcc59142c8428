import { expect, test } from 'vitest'
import { longestRetryAfterMs, retryAfterMsOf } from '../../src/delivery/retry-after.js'

const named = [
  ['Please try again in 5 minutes', 300],
  ['try again after 90 seconds', 90],
  ['Please retry in 300 seconds', 300],
  ['retry after 1 hour', 3_600],
  ['Greylisted for 5 minutes', 300],
  ['Recipient address rejected: Greylisted, try again in 300 seconds', 300],
  ['Greylisting in action, please come back in 00:05:00', 300],
  ['try again after 01:00:30', 3_630],
  ['come back in 02:00 [minutes]', 120],
  ['wait at least 2 hours before the next attempt', 7_200],
  ['Deferred for 30 min', 1_800],
  ['try again in 1 hour and 30 minutes', 5_400],
  ['quota will reset in 1.5 hours', 5_400],
  ['Retry-After: 120', 120],
  ['retry in 45', 45],
  ['TRY AGAIN IN 10 MINS', 600],
  ['Bitte versuchen Sie es in 10 Minuten erneut: erneut in 10 Minuten', 600],
  ['Bitte warten Sie 2 Stunden', 7_200],
  ['Veuillez réessayer dans 15 minutes', 900],
  ['Veuillez patienter 30 secondes', 30],
] as const

test.each(named)('%s is %i s', (text, seconds) => {
  expect(retryAfterMsOf(text)).toBe(seconds * 1000)
})

const notNamed = [
  'Too many messages in 5 minutes',
  'You have sent 100 messages in the last 60 minutes',
  'limit of 500 per 1 hour',
  'try again later',
  'try again in a moment',
  'try again tomorrow',
  'Try again later. See example.com/3 days',
  'retry 4.7.1',
  'Greylisted, see http://postgrey.example.com/help/5minutes',
  'delivery took 5 seconds',
  'try again in 0 seconds',
  '',
]

test.each(notNamed)('%s names no time', (text) => {
  expect(retryAfterMsOf(text)).toBeUndefined()
})

test('a reply cannot put a delivery off for longer than a day', () => {
  expect(retryAfterMsOf('try again in 3 days')).toBe(longestRetryAfterMs)
  expect(retryAfterMsOf('try again in 999999999 hours')).toBe(24 * 3_600_000)
})
