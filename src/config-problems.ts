// What is wrong with a configuration, in our words: which option, what it must be, what it is, or which one was meant.
// It shows names, numbers and kinds, and never a text that was given, since that may be a secret.

import type { z } from 'zod'
import { kindOf } from './message/field-error.js'
import { nearestName } from './message/nearest-name.js'

/** Names for our options that people bring along: FluxMail's, nodemailer's and what comes to mind. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  timeout: ['timeoutMs'],
  retry_delay: ['retryDelayMs'],
  retries: ['maxRetries'],
  max_per_second: ['maxPerSecond', 'maxPerWorkerPerSecond'],
  maxPerSecond: ['maxPerWorkerPerSecond'],
  ssl_context: ['tls'],
  relay: ['host', 'relays'],
  server: ['host'],
  hostname: ['host'],
  name: ['domain'],
  user: ['username'],
  pass: ['password'],
  secure: ['useSsl'],
  requireTLS: ['useTls'],
  starttls: ['useTls'],
  oauth2: ['auth'],
  from: ['sender'],
  domain: ['domainName'],
  selector: ['keySelector'],
  key: ['privateKey'],
  rate: ['ratePerSecond', 'maxPerSecond', 'maxPerWorkerPerSecond'],
  rateLimit: ['ratePerSecond', 'maxPerWorkerPerSecond'],
  maxMessages: ['maxMessagesPerConnection'],
  quota: ['perDay'],
  dailyQuota: ['perDay'],
}

const longestName = 60

/** `path: what is wrong with it` for each issue, and without a path for the whole; an unknown option is one of its own. */
export function problemsOf(issues: readonly z.core.$ZodIssue[]): string[] {
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.message
          .split('\n')
          .map((message, index) => line([...issue.path, issue.keys[index] ?? ''], message))
      : [line(issue.path, issue.message)],
  )
}

function line(path: readonly PropertyKey[], message: string): string {
  return path.length === 0 ? message : `${path.map(shownName).join('.')}: ${message}`
}

function shownName(key: PropertyKey): string {
  const name = String(key)
  return /^[\w$-]{1,60}$/.test(name) ? name : JSON.stringify(name.slice(0, longestName))
}

/** The words for one issue, for schemas that have none of their own; `besides` are further options at the top. */
export function wordsWith(besides: readonly string[]): (issue: z.core.$ZodRawIssue) => string {
  return (issue) => {
    if (issue.code !== 'unrecognized_keys') return wordsOf(issue)
    const top = issue.path === undefined || issue.path.length === 0
    const known = [...optionsOf(issue.inst), ...(top ? besides : [])]
    return issue.keys.map((key) => unknownOption(key, known)).join('\n')
  }
}

/** What to say of an option that does not exist. */
function unknownOption(name: string, known: readonly string[]): string {
  const alias = Object.hasOwn(aliases, name)
    ? aliases[name]?.find((meant) => known.includes(meant))
    : undefined
  const near = alias ?? nearestName(name, known)
  return near === undefined
    ? `there is no such option; there are ${known.join(', ')}`
    : `there is no such option. Did you mean ${near}?`
}

function optionsOf(schema: unknown): string[] {
  const { shape } = (schema as z.ZodObject | undefined) ?? {}
  return Object.keys(shape ?? {})
}

function wordsOf(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${kinds[issue.expected] ?? issue.expected}, and is ${shown(issue.input, issue.expected)}`
    case 'too_small':
      return bound(issue, Number(issue.minimum), 'least')
    case 'too_big':
      return bound(issue, Number(issue.maximum), 'most')
    case 'invalid_value':
      return issue.input === undefined ? 'is missing' : `must be ${oneOf(issue.values.map(String))}`
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'is no name'
    default:
      return issue.input === undefined
        ? 'is missing'
        : `is not what it must be, and is ${kindOf(issue.input)}`
  }
}

function oneOf(values: readonly string[]): string {
  return values.length > 2 ? `one of ${values.join(', ')}` : values.join(' or ')
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  function: 'a function',
  date: 'a Date',
}

function bound(
  issue: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig>,
  limit: number,
  way: 'least' | 'most',
) {
  const { origin, inclusive = true, input } = issue
  if (origin === 'string')
    return limit === 1 ? 'must not be empty' : `must have at ${way} ${limit} characters`
  if (origin === 'array') return `must have at ${way} ${limit === 1 ? 'one entry' : `${limit} entries`}`
  const words = inclusive ? `at ${way} ${limit}` : `${way === 'least' ? 'more' : 'less'} than ${limit}`
  return `must be ${words}, and is ${shown(input)}`
}

/** A number is shown where one is expected; of anything else only what it is. */
function shown(input: unknown, expected = 'number'): string {
  return typeof input === 'number' && /^(number|int)$/.test(expected) ? String(input) : kindOf(input)
}
