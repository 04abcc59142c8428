import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { expect, expectTypeOf, test } from 'vitest'
import type { z } from 'zod'
import { configOptions } from '../src/cli/option-types.js'
import type { laneSchema, relaySchema, retrySchema, workerSchema } from '../src/config.js'
import type {
  DkimOptions,
  FluxMailOptions,
  LaneConfig,
  OAuth2Options,
  RelayOptions,
  RetryRule,
  WorkerConfigInput,
} from '../src/index.js'
import type { dkimSchema } from '../src/smtp/dkim-options.js'
import type { oauth2Schema } from '../src/smtp/oauth2-options.js'

test('the types of the configuration are what the schemas say; `npm run docs` writes them', () => {
  expect(readFileSync('src/config-options.ts', 'utf8')).toBe(configOptions())
})

test('every option has a docstring, and one with a default names it', () => {
  const text = configOptions()
  const members = [...text.matchAll(/^(.*)\n {2}(\w+)\??: /gm)]
  expect(members.length).toBeGreaterThan(40)
  expect(
    members.filter(([, above]) => !/^ {2}\/\*\* .+\. \*\/$/.test(above ?? '')).map(([, , name]) => name),
  ).toEqual([])
  expect(text).toContain('Default: `30000`. */\n  timeoutMs?: number | undefined')
})

test('the types are those that the schemas take', () => {
  expectTypeOf<RetryRule>().toEqualTypeOf<z.input<typeof retrySchema>>()
  expectTypeOf<LaneConfig>().toEqualTypeOf<z.input<typeof laneSchema>>()
  expectTypeOf<DkimOptions>().toEqualTypeOf<z.input<typeof dkimSchema>>()
  expectTypeOf<OAuth2Options>().toEqualTypeOf<z.input<typeof oauth2Schema>>()
  expectTypeOf<RelayOptions>().toEqualTypeOf<z.input<typeof relaySchema>>()
  expectTypeOf<WorkerConfigInput>().toEqualTypeOf<z.input<typeof workerSchema>>()
})

test("Node's TLS options, a key in a Buffer and the words for objectType in any case compile, and nothing else does", () => {
  const tls: ConnectionOptions = { minVersion: 'TLSv1.2', ca: [Buffer.from('')] }
  const dkim = { domainName: 'example.com', keySelector: 'mail', privateKey: Buffer.from('') }
  const options = [
    { host: 'a.example', tls, dkim },
    { objectType: 'smtp' },
    { objectType: 'OUTLOOK' },
    { objectType: 'Outlook' },
  ] satisfies FluxMailOptions[]
  expect(options).toHaveLength(4)
  expectTypeOf<'smtpp'>().not.toExtend<FluxMailOptions['objectType']>()
  expectTypeOf<{ tls: { minVersion: 'TLSv7' } }>().not.toExtend<FluxMailOptions>()
})
