import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { accountsOf } from '../../src/ingress/account.js'
import { Logins } from '../../src/ingress/logins.js'
import { password, user } from './ingress-flow.js'

const names = Array.from({ length: 12 }, (_, n) => `app${n}`)
const accounts = accountsOf([user, ...names.map((username) => ({ ...user, username }))])
const right = { username: 'shop', password }
const guess = (n: number, username = 'shop') => ({ username, password: `guess ${n}` })

function openLogins(max: number) {
  let now = 0
  const logins = new Logins(accounts, max, { ...systemClock, monotonicMs: () => now })
  const kindOf = async (credentials: { username: string; password: string }, address = '192.0.2.1') =>
    (await logins.check(credentials, address)).kind
  return { kindOf, pass: (ms: number) => (now += ms) }
}

test('the same wrong password again is no new guess, so that a program that repeats one is not locked out', async () => {
  const { kindOf } = openLogins(2)
  for (let n = 0; n < 100; n += 1) expect(await kindOf(guess(0))).toBe('wrong')
  expect(await kindOf(right)).toBe('known')
  expect(await kindOf(guess(1))).toBe('wrong')
  expect(await kindOf(guess(2))).toBe('locked')
  expect(await kindOf(guess(0))).toBe('locked')
})

test('ten programs with one wrong password each lock out nobody behind their address', async () => {
  const { kindOf } = openLogins(3)
  for (let round = 0; round < 5; round += 1) {
    for (const name of names) expect(await kindOf(guess(0, name))).toBe('wrong')
  }
  expect(await kindOf(right)).toBe('known')
  for (const name of names) expect(await kindOf({ username: name, password })).toBe('known')
})

test('a user that is guessed at is locked out at that address, and other users there are not', async () => {
  const { kindOf } = openLogins(3)
  for (let n = 0; n < 3; n += 1) await kindOf(guess(n))
  expect(await kindOf(right)).toBe('locked')
  expect(await kindOf(right, '192.0.2.2')).toBe('known')
  expect(await kindOf({ username: 'app1', password })).toBe('known')
})

test('an address gets five times as many guesses over all users, whoever they are, for ten minutes', async () => {
  const { kindOf, pass } = openLogins(2)
  await kindOf({ username: 'app0', password })
  const kinds: string[] = []
  for (let n = 0; n < 12; n += 1) kinds.push(await kindOf(guess(0, `nobody${n}`)))
  expect(kinds).toEqual([...Array.from({ length: 10 }, () => 'wrong'), 'locked', 'locked'])
  expect(await kindOf(right)).toBe('locked')
  // Who has logged in from there before is not locked out by neighbours, and has guesses of its own only.
  expect(await kindOf({ username: 'app0', password })).toBe('known')
  expect(await kindOf(guess(1, 'app0'))).toBe('wrong')
  expect(await kindOf(guess(2, 'app0'))).toBe('wrong')
  expect(await kindOf({ username: 'app0', password })).toBe('locked')
  pass(600_000)
  expect(await kindOf(right)).toBe('known')
})

test('a user gets a hundred times as many guesses from all addresses, and stays where it has logged in', async () => {
  const { kindOf } = openLogins(1)
  await kindOf(right, '198.51.100.1')
  for (let n = 0; n < 100; n += 1) expect(await kindOf(guess(n), `192.0.2.${n}`)).toBe('wrong')
  expect(await kindOf(guess(100), '192.0.2.200')).toBe('locked')
  expect(await kindOf(right, '198.51.100.1')).toBe('known')
})

test('a login that was remembered from elsewhere makes its address one that neighbours cannot lock out', async () => {
  const { kindOf } = openLogins(1)
  await kindOf(right, '198.51.100.1')
  await kindOf(right)
  for (let n = 0; n < 6; n += 1) await kindOf(guess(0, `nobody${n}`))
  expect(await kindOf(guess(0, 'app1'))).toBe('locked')
  expect(await kindOf(right)).toBe('known')
})
